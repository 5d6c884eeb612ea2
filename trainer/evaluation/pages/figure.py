"""The figure of an evaluation: every source's distance to real skies with its interval, beside the floor."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skygen_addon.core.whole_file import whole_file
from trainer.evaluation.comparison import Comparison


def draw_distances(comparison: Comparison, path: Path) -> None:
    """Write a PNG: KID x 1000 of each source, its 95 % interval, and the span of halves of the real skies.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rows = comparison.rows[::-1]
    figure = Figure(figsize=(9, 1.5 + 0.45 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _, low, high = comparison.floor
    axes.axvspan(low, high, color="0.9", label="halves of the real skies, 95 %")
    axes.axvline(comparison.floor[0], color="0.6", linewidth=1)
    for place, row in enumerate(rows):
        axes.plot(row.kid_interval, (place, place), color="tab:blue", linewidth=2)
        axes.plot(row.kid, place, "o", color="tab:blue")
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_xscale("symlog", linthresh=1000)  # the system of 2021 lies many times farther off than all others
    axes.set_xlabel("KID x 1000 to real open skies (smaller is nearer); linear to 1000, then logarithmic")
    figure.legend(loc="outside upper right")
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
