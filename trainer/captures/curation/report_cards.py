"""One capture as a card of the report: pictures with the sun's circle, verdict in words, figures, how to overrule."""

from __future__ import annotations

import base64
import shlex
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from skygen_addon.core.geometry import direction_from_angles, panorama_pixel
from trainer.captures.curation.contact_sheet import sun_on_disc
from trainer.captures.curation.pictures import DISC_PIXELS, VIEW_SIZE, CapturePictures
from trainer.captures.curation.verdict_words import FLAG_WORDS, NOT_TO_BE_KEPT, REASON_WORDS

_RING = 9


def _image(jpeg: bytes, size: tuple[int, int], words: str) -> str:
    source = base64.b64encode(jpeg).decode("ascii")
    return (
        f'<img src="data:image/jpeg;base64,{source}" width="{size[0]}" height="{size[1]}" '
        f'loading="lazy" alt="{escape(words)}">'
    )


def _ring(column: float, row: float, size: tuple[int, int]) -> str:
    """Circle around the sun, over a picture of this size."""
    circle = f'cx="{column:.1f}" cy="{row:.1f}" r="{_RING}"'
    return (
        f'<svg viewBox="0 0 {size[0]} {size[1]}" aria-hidden="true">'
        f'<circle class="ring under" {circle}/><circle class="ring" {circle}/></svg>'
    )


def _figures(entry: dict[str, Any], pictures: CapturePictures | None) -> str:
    if pictures is None:
        return '<div class="pictures"><div class="nothing">no picture</div></div>'
    sun, name, parts = entry["sun"], entry["file"], []
    if pictures.view is not None:
        ring = ""
        if sun:
            direction = direction_from_angles(np.deg2rad(sun["azimuth_deg"]), np.deg2rad(sun["elevation_deg"]))
            down, across = panorama_pixel(direction, VIEW_SIZE[0])
            ring = _ring(float(across), float(down), VIEW_SIZE)
        parts.append(f'<figure class="view">{_image(pictures.view, VIEW_SIZE, f"Panorama {name}")}{ring}</figure>')
    size = (DISC_PIXELS, DISC_PIXELS)
    ring = ""
    if sun:
        column, row = sun_on_disc(sun)
        ring = _ring(DISC_PIXELS * column, DISC_PIXELS * row, size)
    parts.append(f'<figure class="disc">{_image(pictures.disc, size, f"Sky disc of {name}")}{ring}</figure>')
    return f'<div class="pictures">{"".join(parts)}</div>'


def _original(entry: dict[str, Any], pictures: CapturePictures | None) -> str:
    """The picture of what a duplicate was taken to be a copy of."""
    if pictures is None or pictures.view is None:
        return ""
    image = _image(pictures.view, VIEW_SIZE, f"Panorama {entry['state']['duplicate_of']}")
    return (
        f'<div class="pictures"><figure class="view">{image}<figcaption>the original</figcaption></figure>'
        '<figure class="disc"></figure></div>'
    )


def measured_words(entry: dict[str, Any]) -> list[str]:
    """Figures of a line of the manifest, each with what it is; what was not measured is left out."""
    state, sun = entry["state"], entry["sun"]
    words = [f"{entry['width']} x {entry['height']}"] if entry["width"] else []
    if sun:
        words.append(f"sun {sun['azimuth_deg']:.1f}° from north, {sun['elevation_deg']:.1f}° high")
    elif "message" not in state:
        words.append("no sun found")
    if state.get("cover") is not None:
        words.append(f"cover {state['cover']:.2f}" + (", overcast" if state.get("overcast") else ""))
    if state.get("sky_share") is not None:
        words.append(f"open sky {100 * state['sky_share']:.0f} %")
    if state.get("texture_km"):
        words.append(f"clouds about {state['texture_km']:.2g} km across")
    if state.get("scale"):
        stops = float(np.log2(state["scale"]))
        words.append(f"exposure {stops:+.1f} EV by {str(state.get('calibrated_by', 'hand')).replace('_', ' ')}")
    words.append(f"site {entry['site']}")
    words.append(entry["licence"] or "no licence stated")
    return words


def _verdict(entry: dict[str, Any]) -> str:
    state = entry["state"]
    if entry["verdict"] == "keep":
        told = '<p><b class="keep">KEEP</b></p>'
    else:
        words = REASON_WORDS.get(entry["reason"])
        told = f'<p><b class="reject">REJECT: {escape(str(entry["reason"]).replace("_", " "))}</b>'
        told += f" · {escape(words.meaning)} <i>{escape(words.remedy)}</i></p>" if words else "</p>"
    for key, start in (("message", ""), ("duplicate_of", "Copy of "), ("same_sky_as", "Same sky as ")):
        if key in state:
            distance = f" (distance {state['duplicate_distance']:.3f})" if key == "duplicate_of" else ""
            told += f"<p>{start}{escape(str(state[key]))}{distance}</p>"
    if "stack" in state:
        told += f"<p>Merged from {escape(', '.join(map(str, state['stack']['files'])))}</p>"
    return told


def _option(name: str, value: str) -> str:
    """A command line option and its value, safe for a shell."""
    return f"--{name}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"


def _command(entry: dict[str, Any], data: Path) -> str:
    """The command that overrules the verdict."""
    start = f"python -m trainer curate {shlex.quote(str(data))}"
    file, after = entry["file"], ""
    if "override" in entry["flags"]:
        lead, option = "Your verdict. To take it back:", _option("undo", file)
    elif entry["verdict"] == "keep":
        lead, option = "To reject it:", _option("reject", f"{file}=REASON")
    elif entry["reason"] in NOT_TO_BE_KEPT or "message" in entry["state"]:
        return "<p>There is nothing to keep: mend or replace the file, then run ingest again.</p>"
    else:
        lead, option = "To keep it:", _option("keep", file)
        after = "" if "cover" in entry["state"] else " then run ingest again, which makes its maps."
    return f"<p>{lead} <code>{escape(f'{start} {option}')}</code>{after}</p>"


def card(
    entry: dict[str, Any], pictures: CapturePictures | None, data: Path, original: CapturePictures | None = None
) -> str:
    """HTML of one line of the manifest.

    Parameters
    ----------
    entry : dict
        Line of the manifest.
    pictures : CapturePictures or None
        Its pictures; None if the file could not be read.
    data : Path
        Folder of the training data, for the command.
    original : CapturePictures or None
        Of a duplicate: the pictures of its original, to be shown beside.
    """
    kept = entry["verdict"] == "keep"
    words = ["keep" if kept else "reject", str(entry["reason"] or ""), *entry["flags"]]
    chips = " ".join(
        f'<span class="chip" title="{escape(FLAG_WORDS.get(flag, flag))}">{escape(flag.replace("_", " "))}</span>'
        for flag in entry["flags"]
    )
    return (
        f'<article class="{"kept" if kept else "rejected"}" data-words="{escape(" ".join(words))}" '
        f'data-name="{escape(entry["file"].lower())}"><h3>{escape(entry["file"])}</h3>'
        f"{_figures(entry, pictures)}{_original(entry, original)}{_verdict(entry)}"
        f'<p class="figures">{escape(" · ".join(map(str, measured_words(entry))))}</p>'
        + (f"<p>{chips}</p>" if chips else "")
        + f"{_command(entry, data)}</article>\n"
    )
