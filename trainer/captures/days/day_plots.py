"""Plots of measured days: a row per day, a curve per channel, what is not measured marked in colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.whole_file import whole_file

PAGE_DAYS = 20
"""Days on one picture."""
DRAWN = (
    ("cover", "cover", (-0.05, 1.05)),
    ("brightness", "brightness, log2 of clear", (-1.6, 2.1)),
    ("density", "density, log2 optical depth", (-3.3, 2.4)),
    ("grain", "texture (grain), log2", (-4.0, 2.8)),
    ("haze", "haze, log2", (-3.6, 4.6)),
)
"""Channel, heading and range of each column."""
COLOURS = {
    "gap": "#2ca02c",
    "night": "#303a66",
    "unreadable": "#d62728",
    "other_size": "#e377c2",
    "low_sun": "#f5b0a0",
    "outlier": "#9467bd",
    "unmeasured": "#8c564b",
}
"""Span of slots with each mark."""
SUN_COLOUR, HIDDEN_COLOUR = "#f5b301", "#b9c3cc"


def _runs(flag: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and past-the-last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, flag, False].astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def draw_days(table: Path, picture: Path) -> list[Path]:
    """Draw the measured channels of every day into a PNG, or into several numbered ones above PAGE_DAYS days.

    Parameters
    ----------
    table : Path
        As of :func:`.timelapse.write_table`.
    picture : Path
        ``timelapse.png``; pages are ``timelapse-000.png`` and on.

    Returns
    -------
    list of Path
        What was drawn.
    """
    with np.load(table) as kept:
        data = {name: kept[name] for name in kept.files}
    count = len(data["names"])
    pages = [range(first, min(first + PAGE_DAYS, count)) for first in range(0, count, PAGE_DAYS)]
    drawn = []
    for number, days in enumerate(pages):
        path = picture if len(pages) == 1 else picture.with_name(f"{picture.stem}-{number:03d}{picture.suffix}")
        _draw_page(data, days, path)
        drawn.append(path)
    return drawn


def _draw_page(data: dict[str, Any], days: range, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    channels = [str(c) for c in data["channels"]]
    longest_h = max(_hours(data, day)[-1] for day in days)
    height = 1.15 * len(days) + 1.2
    figure = Figure(figsize=(19, height), layout="constrained")
    axes = figure.subplots(len(days), len(DRAWN), sharex=True, squeeze=False)
    for row, day in enumerate(days):
        hours = _hours(data, day)
        for axis, (channel, heading, limits) in zip(axes[row], DRAWN, strict=True):
            column = channels.index(channel)
            known = data["mask"][day, : len(hours) - 1, column]
            value = np.where(known, data["values"][day, : len(hours) - 1, column], np.nan)
            middle = (hours[:-1] + hours[1:]) / 2
            axis.plot(middle, value, color="#1f5f99", linewidth=1.1, marker=".", markersize=2)
            if channel == "brightness":
                axis.axhline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
            _mark_spans(axis, data, day, hours)
            _sun_strip(axis, data, day, hours, channels.index("sun_seen"))
            axis.set_ylim(*limits)
            axis.set_xlim(0, longest_h)
            axis.tick_params(labelsize=7)
            if row == 0:
                axis.set_title(heading, fontsize=9, pad=8)
        axes[row, 0].set_ylabel(str(data["names"][day])[-22:], fontsize=8, rotation=0, ha="right", va="center")
    for axis in axes[-1]:
        axis.set_xlabel("hours from the first frame", fontsize=8)
    patches = [Patch(color=colour, label=name.replace("_", " "), alpha=0.75) for name, colour in COLOURS.items()]
    patches += [Patch(color=SUN_COLOUR, label="sun visible"), Patch(color=HIDDEN_COLOUR, label="sun hidden")]
    figure.legend(handles=patches, loc="outside upper center", ncols=len(patches), fontsize=8, frameon=False)
    with whole_file(path) as partial, partial.open("wb") as stream:
        figure.savefig(stream, dpi=75, format="png")


def _hours(data: dict[str, Any], day: int) -> NDArray[np.float64]:
    """Edges (slots + 1,) of a day's slots, without the padding to the longest day."""
    taken = np.flatnonzero(data["mark"][day] != list(data["mark_names"]).index("gap"))
    slots = int(taken[-1]) + 1 if taken.size else data["mark"].shape[1]
    return np.asarray(np.arange(slots + 1) * float(data["frame_s"][day]) / 3600, np.float64)


def _mark_spans(axis: Any, data: dict[str, Any], day: int, hours: NDArray[np.float64]) -> None:
    """Coloured spans over slots that are not measured."""
    names = [str(n) for n in data["mark_names"]]
    mark = data["mark"][day, : len(hours) - 1]
    for name, colour in COLOURS.items():
        for first, last in _runs(mark == names.index(name)):
            axis.axvspan(hours[first], hours[last], color=colour, alpha=0.55, linewidth=0)


def _sun_strip(axis: Any, data: dict[str, Any], day: int, hours: NDArray[np.float64], column: int) -> None:
    """Strip along the top: sun visible or hidden, nothing where it cannot be told."""
    from matplotlib.transforms import blended_transform_factory

    place = blended_transform_factory(axis.transData, axis.transAxes)
    told = data["mask"][day, : len(hours) - 1, column]
    seen = data["values"][day, : len(hours) - 1, column] > 0.5
    for flag, colour in ((told & seen, SUN_COLOUR), (told & ~seen, HIDDEN_COLOUR)):
        bars = [(hours[a], hours[b] - hours[a]) for a, b in _runs(flag)]
        axis.broken_barh(bars, (1.0, 0.07), transform=place, facecolors=colour, clip_on=False)
