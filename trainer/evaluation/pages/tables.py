"""The evaluation as plain data and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from skygen_addon.core.bundle import Bundle
from skygen_addon.core.engine_identity import engine_identity
from trainer.evaluation.comparison import Comparison
from trainer.evaluation.looks.sky_figures import SkyFigures, summarise
from trainer.evaluation.motion.motion_figures import MotionFigures

_SKY_COLUMNS = (
    ("share_with_sun", "with a sun"),
    ("share_several_suns_of_those", "of those with several"),
    ("dynamic_range_stops_median", "range, stops"),
    ("seam_ratio_median", "seam"),
    ("zenith_ratio_median", "zenith"),
    ("spectral_slope_median", "slope"),
)
"""Summaries of the skies' own figures that the table shows."""


def as_json(
    comparison: Comparison,
    real: Sequence[SkyFigures],
    motion: Mapping[str, MotionFigures],
    bundle: Bundle,
    asked: str = "presets",
) -> dict[str, Any]:
    """Everything that was measured, as plain data; ``asked`` says what the bundle's skies were asked for."""
    return {
        "asked": asked,
        "bundle": {"name": bundle.name, "identity": bundle.identity, "engine": engine_identity()},
        "comparison": asdict(comparison),
        "real": summarise(real),
        "motion": {preset: asdict(figures) for preset, figures in motion.items()},
    }


def as_markdown(described: Mapping[str, Any]) -> str:
    """The same as a page: how it was measured, the table of sources, the skies' own figures, motion."""
    comparison = described["comparison"]
    floor, low, high = comparison["floor"]
    lines = [
        f"# Evaluation of {described['bundle']['name']}",
        "",
        f"KID x 1000 against {comparison['real_files']} captures of {comparison['real_sites']} sites"
        " (views of 75 degrees pitched up by 58, unobstructed ones only; features of EfficientNet-lite0;"
        " polynomial kernel, unbiased, pairs within one site or sky left out;"
        f" {comparison['resamples']} bootstrap resamples of sites and skies).",
        "",
        f"The bundle's skies were asked for like the {described['asked']}.",
        "",
        f"Random halves of the real sites to one another: {floor:.0f}, standard deviation"
        f" {comparison['floor_deviation']:.0f}, 95 % from {low:.0f} to {high:.0f}.",
        "",
        f"Held out: {', '.join(comparison['held_out_sites']) or 'none'}."
        f" KID of these to the other sites: {_number(comparison['held_out_to_training'], '.0f') or 'not measured'}."
        " The column of all sites includes those that the bundle was trained on.",
        "",
        "| source | skies | KID, all sites | shipped nearer in | KID, held-out sites | shipped nearer in"
        " | distance to training views | change |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in comparison["rows"]:
        lines.append(
            f"| {row['name']}: {row['words']} | {row['skies']}"
            f" | {_with_interval(row['kid'], row['kid_interval'], '.0f')} | {_percent(row['shipped_better'])}"
            f" | {_with_interval(row['kid_held_out'], row['kid_held_out_interval'], '.0f')}"
            f" | {_percent(row['shipped_better_held_out'])}"
            f" | {_with_interval(row['training_distance'], row['training_distance_interval'], '.2f')}"
            f" | {_percent(row['change'])} |"
        )
    lines += [
        "",
        "In brackets 95 % of bootstrap resamples. *Shipped nearer in*: share of resamples in which the shipped bundle"
        " has the smaller distance. *Distance to training views*: median distance of views to the nearest training"
        " capture's view, over the same of held-out captures; below 1 it is nearer to what was trained on than unseen"
        " real skies are, and the procedural field, which has seen nothing, is the control. *Change*: mean absolute"
        " difference of radiance to the shipped bundle's skies of the same requests.",
        "",
        "| source | " + " | ".join(title for _, title in _SKY_COLUMNS) + " |",
        "|---" * (len(_SKY_COLUMNS) + 1) + "|",
        _sky_row("real captures", described["real"]),
        *(_sky_row(row["name"], row["figures"]) for row in comparison["rows"]),
        "",
    ]
    for preset, figures in described["motion"].items():
        lines += [f"## Motion: {preset}", "", "| figure | value |", "|---|---|"]
        lines += [f"| {name} | {_value(value)} |" for name, value in figures.items()]
        lines.append("")
    return "\n".join(lines)


def _sky_row(name: str, figures: Mapping[str, float]) -> str:
    cells = []
    for key, _ in _SKY_COLUMNS:
        value = figures.get(key)
        cells.append(_percent(value) if key.startswith("share") else _number(value, ".2f"))
    return f"| {name} | " + " | ".join(cells) + " |"


def _with_interval(value: float | None, interval: Sequence[float] | None, form: str) -> str:
    if value is None or interval is None:
        return ""
    return f"{value:{form}} ({interval[0]:{form}} to {interval[1]:{form}})"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return " to ".join(_value(one) for one in value)
    return str(value)
