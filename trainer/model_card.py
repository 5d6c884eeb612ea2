"""The model card: what a bundle has learned, from what, with which figures, and what it has not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skygen_addon.core.errors import BundleError
from trainer.captures.items import is_sky

SKIPPD = (
    "SKIPP'D, Stanford University, CC BY 4.0: Nie, Li, Scott, Sun, Venugopal, Brandt, \"SKIPP'D: A SKy Images and "
    'Photovoltaic Power Generation Dataset for Short-term Solar Forecasting"'
)

_FIELD = "**CloudField** (`field.onnx`; `field_draft.onnx` is the same on smaller windows, for drafts) is "
_FIELD_ALONE = "**CloudField** (`field.onnx`) is "
"""What cards of before drafts had a field of their own say."""
LEARNED_FIELD = (
    f"{_FIELD}the generator of a GAN. Its input is the procedural potential of the asked cloud type and cover and "
    "lattice noise; its networks change the column optical depth at 100 and 25 m so that patch critics take it for "
    "columns measured in the captures. Still procedural: organisation above the 400 m level, stratus and cirrus, how "
    "types differ, the vertical profile, and detail finer than 25 m."
)
PROCEDURAL_FIELD = f"{_FIELD}the procedural noise field; nothing in it is learned."
_EXPORTED_ANEW = (
    "The field was exported anew: its learned weights are the ones described below, the procedural parts around them "
    "are of a later version than those that it was trained with."
)
_TYPES = "Cloud types that the learned field changes, chosen when it was exported: "
_FROM_ANOTHER = "They are those of another bundle; this is what its card says of them."


def _lines(figures: Any, indent: int = 0) -> list[str]:
    rows = []
    for key, value in figures.items():
        if isinstance(value, dict):
            rows.append(f"{'  ' * indent}- {key}")
            rows += _lines(value, indent + 1)
        elif isinstance(value, list):
            rows.append(f"{'  ' * indent}- {key}: " + ", ".join(_number(item) for item in value))
        else:
            rows.append(f"{'  ' * indent}- {key}: {_number(value)}")
    return rows


def _source(how: dict[str, Any]) -> str:
    """Commit of a stage, and whether the work tree was that commit."""
    dirty = how.get("dirty")
    state = {True: " with uncommitted changes", False: "", None: ", uncommitted changes not recorded"}[dirty]
    return f"commit {how['commit'][:12]}{state}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def origin_words(row: dict[str, Any]) -> str:
    """Source and licence of a row of the manifest, or that nothing states them (CAPTURES.csv would)."""
    return f"{row['source'] or 'source not stated'}, {row['licence'] or 'licence not stated'}"


def kept_skies(manifest: Path) -> list[dict[str, Any]]:
    """Lines of the skies that training reads: neither frames of days nor further exposures of a bracket."""
    return [row for row in _kept(manifest) if is_sky(row)]


def kept_frames(manifest: Path) -> list[dict[str, Any]]:
    """Lines of the time-lapse frames that the weather was measured in."""
    return [row for row in _kept(manifest) if "timelapse" in row["flags"]]


def _kept(manifest: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").split("\n") if line]
    return [row for row in rows if row["verdict"] == "keep"]


def licence_words(manifest: Path) -> str:
    """What model.json says of the licence, from the captures that a readable manifest keeps."""
    licences = sorted({str(row["licence"] or "licence not stated") for row in kept_skies(manifest)})
    captures = f"captures ({', '.join(licences)}) and time-lapse days"
    return f"GPL-3.0-or-later; weights learned from {captures}, their licences and attribution in MODEL_CARD.md"


def model_card(
    name: str, field: str, settings: dict[str, Any], figures: dict[str, Any], manifest: Path, limits: str = ""
) -> str:
    """Markdown text of a bundle's card.

    Parameters
    ----------
    name, field : str
        Bundle name; "learned" or "procedural".
    settings : dict
        run.json of the training as :func:`.training.record.read_record` has checked it.
    figures : dict
        Measured figures by stage.
    manifest : Path
        manifest.jsonl of the captures.
    limits : str
        What a person saw and measured that falls short, Markdown.

    Raises
    ------
    BundleError
        If the manifest cannot be read, or keeps no capture, or one without a site.
    """
    remedy = "Name the data folder of the training with --data, or run 'python -m trainer ingest' again."
    try:
        kept = kept_skies(manifest)
        lacking = [row for row in kept if not row["site"]]
        licences = Counter(origin_words(row) for row in kept)
        days = {(row["state"]["day"], origin_words(row)) for row in kept_frames(manifest)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{manifest} cannot be read: {error!r}.", remedy) from error
    if not kept or lacking:
        raise BundleError(f"{manifest} keeps no capture, or one without a site.", remedy)
    sources = "\n".join(f"- {count} panoramas: {what}" for what, count in sorted(licences.items()))
    counts = sorted(Counter(what for _, what in days).items())
    told = "; ".join(f"{count} of {what}" for what, count in counts) or "time-lapse days"
    lines = [
        f"# {name}",
        "",
        "## What is learned",
        "",
        LEARNED_FIELD if field == "learned" else PROCEDURAL_FIELD,
        "",
        "**Shading** (`shade.onnx`) corrects the analytic scattering formula toward a volumetric path tracer that ran "
        "through simulated volumes of the procedural field.",
        "",
        "**Weather** (`weather.onnx`) is an LSTM fitted to cover, brightness and texture measured in time-lapse days.",
        "",
        "Clear sky, sun, geometry, optical depth and transmittance are physics; nothing in them is learned.",
        "",
        "## From what",
        "",
        sources,
        f"- Weather, time-lapse days: {told}. Those named cloudy_day and sunny_day are of {SKIPPD}",
        "- Shading: skies simulated by `python -m trainer simulate`",
        "",
        "Panoramas: " + ", ".join(sorted({row["site"] for row in kept})) + ".",
        "",
        "## How",
        "",
        f"Recipe `{settings['recipe']['name']}` of `trainer/recipes.py`.",
        "",
        *(
            f"- {stage}: {how['minutes']:g} minutes on {how['hardware']}, {_source(how)}"
            for stage, how in settings["stages"].items()
        ),
        "",
        "## Figures, as the trainings measured them",
        "",
        *_lines(figures),
        "",
        *(["## Limits", "", limits.strip(), ""] if limits else []),
    ]
    return "\n".join(lines)


def _without_field(card: str) -> list[str]:
    """Lines of a card without what it says of its field, its limits, and its title."""
    kept: list[str] = []
    leave_out = ""
    for line in card.strip().split("\n")[1:]:
        indented = line.startswith("  ")
        if line.startswith("#"):
            leave_out = "section" if line.lstrip("# ") in ("The field", "Limits", "Shading and weather") else ""
        elif leave_out == "figures" and not indented:
            leave_out = ""
        if line == "- field":
            leave_out = "figures"
        told_of_field = line.startswith(("**CloudField**", "- field:", _EXPORTED_ANEW, _TYPES, _FROM_ANOTHER))
        if not leave_out and not told_of_field and (line or (kept and kept[-1])):
            kept.append(line)
    return "\n".join(kept).strip().split("\n")


def card_with_base(
    name: str, field: str, settings: dict[str, Any], figures: dict[str, Any], base_card: str, limits: str = ""
) -> str:
    """Markdown text of the card of a bundle that takes all but its field from another one, whose card it quotes.

    Parameters
    ----------
    name, field, limits
        As in :func:`model_card`.
    settings : dict
        As in :func:`model_card`, with the stage "field"; empty for a procedural one.
    figures : dict
        Measured figures by stage; the field's are stated, the others stand in the base's card.
    base_card : str
        Markdown of the other bundle; what it says of its field and its limits is left out.
    """
    how = settings.get("stages", {}).get("field")
    quoted = ["#" + line if line.startswith("## ") else line for line in _without_field(base_card)]
    lines = [
        f"# {name}",
        "",
        "## The field",
        "",
        LEARNED_FIELD if field == "learned" else PROCEDURAL_FIELD,
        "",
        *([f"Trained for {how['minutes']:g} minutes on {how['hardware']}, {_source(how)}.", ""] if how else []),
        *(["Figures, as its training measured them:", "", *_lines(figures["field"]), ""] if "field" in figures else []),
        *(["## Limits", "", limits.strip(), ""] if limits else []),
        "## Shading and weather",
        "",
        _FROM_ANOTHER,
        "",
        *quoted,
        "",
    ]
    return "\n".join(lines)


def card_with_shading(card: str, how: dict[str, Any], figures: dict[str, Any]) -> str:
    """A card with how another shading was trained, and its figures, in the place of those that it had.

    Parameters
    ----------
    card : str
        Markdown of a bundle with a learned shading.
    how : dict
        Its stage in run.json.
    figures : dict
        Its metrics.
    """
    kept: list[str] = []
    inside = False
    for line in card.split("\n"):
        inside = inside and line.startswith("  ")
        if line.startswith("- shade:"):
            line = f"- shade: {how['minutes']:g} minutes on {how['hardware']}, {_source(how)}, after the rest"
        if line == "- shade":
            kept += _lines({"shade": figures})
            inside = True
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def card_with_types(card: str, types: Sequence[str]) -> str:
    """The card of a learned field that changes some cloud types only, in place of what it said of that before."""
    before, field, after = card.partition("**CloudField**")
    told, _, rest = after.partition("\n")
    if rest.lstrip().startswith(_TYPES):
        rest = "\n" + rest.lstrip().partition("\n")[2]
    return f"{before}{field}{told}\n\n{_TYPES}{', '.join(types)}; the others are procedural.\n{rest}"


def kept_card(name: str, base_card: str) -> str:
    """The base's card for a bundle that keeps its learned field but has newer procedural parts around it."""
    _, _, rest = base_card.strip().partition("\n")
    rest = rest.replace(_FIELD_ALONE, _FIELD)
    told = [] if _EXPORTED_ANEW in rest else [_EXPORTED_ANEW, ""]
    return "\n".join([f"# {name}", "", *told, rest.strip(), ""])
