"""Panoramas that show the same scene at another size, exposure, tint, rotation or mirroring.

Sky and ground must both agree (:mod:`.agreement`). The same sky above another ground (a retouched
"pure sky") is not a duplicate: its horizon shows what the other one hides. Both are kept, flagged
``same_sky``, and share a site, so that they stay on one side of any split.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from skygen_addon.core.geometry import REC709_LUMINANCE
from trainer.captures.curation.agreement import (
    COLUMNS,
    HIGH_SKY,
    ROWS,
    UNIT,
    Agreement,
    Fields,
    compare,
    is_fingerprint,
    stored_fields,
)
from trainer.captures.curation.known_pairs import KnownPairs
from trainer.captures.items import entry_item, is_sky, item_key
from trainer.captures.overrides import read_overrides
from trainer.captures.split import HELD_OUT_SITES, split_of

_FINE = (4 * ROWS, 4 * COLUMNS)
_SMOOTH_WAVES = 12.0
"""Waves around the horizon that the fields keep to 37 %: what is finer would change with a turn."""
_BURNT = 0.97
_MAX_UNUSABLE = 0.02
_WAVES = 8
_BAND_ROWS = 3
SAVE_EVERY_S = 60.0
"""Seconds between two savings of what was compared."""

_NEAR = 0.1
"""Invariants of copies differ by less than 0.04, those of one pair in two hundred different skies by less than this."""


def fingerprint(radiance: NDArray[np.float32]) -> NDArray[np.int16]:
    """Coarse log luminance of a panorama, smooth around the horizon.

    Parameters
    ----------
    radiance : ndarray
        (H, W, 3) linear, finite, not negative, any scale, W = 2H >= 256, row 0 at the zenith.

    Returns
    -------
    ndarray
        (2, 32, 64) int16: natural logarithm relative to the median in steps of 1/2048, between
        the 1st and 98th percentile; and 1 where a field is neither burnt out nor black.
    """
    rows, columns = _FINE
    small = cv2.resize(radiance, (columns, rows), interpolation=cv2.INTER_AREA) @ REC709_LUMINANCE
    burnt = np.zeros(radiance.shape[:2], dtype=np.uint8)
    for channel in np.moveaxis(radiance, -1, 0):
        burnt[channel >= _BURNT * channel.max()] = 255
    lost = cv2.resize(burnt, (columns, rows), interpolation=cv2.INTER_AREA) / 255.0
    weight = np.broadcast_to(np.sin((np.arange(rows) + 0.5) / rows * np.pi)[:, None], _FINE)
    lit = small > 0
    if not lit.any():
        return np.zeros((2, ROWS, COLUMNS), dtype=np.int16)
    order = np.argsort(small[lit])
    share = np.cumsum(weight[lit][order])
    low, median, high = small[lit][order][np.searchsorted(share, share[-1] * np.array([0.01, 0.5, 0.98]))]
    floor = max(float(low), 0.003 * float(median))
    logs = np.log(np.clip(small, floor, max(float(high), floor)) / median)
    lost[~lit] = 1.0
    fields = np.clip(np.round(_smooth(logs) / UNIT), -32767, 32767)
    return np.stack([fields, _smooth(lost) < _MAX_UNUSABLE]).astype(np.int16)


def _smooth(fine: NDArray[Any]) -> NDArray[np.float64]:
    """Fields of a fine map: plain means over rows, a Gaussian around the horizon."""
    spectrum = np.fft.rfft(fine.reshape(ROWS, -1, fine.shape[1]).mean(axis=1), axis=1)[:, : COLUMNS // 2 + 1]
    spectrum = spectrum * np.exp(-((np.arange(spectrum.shape[1]) / _SMOOTH_WAVES) ** 2))
    return np.asarray(np.fft.irfft(spectrum, COLUMNS, axis=1) * COLUMNS / fine.shape[1])


def _invariants(fields: Fields) -> NDArray[np.float64]:
    """Strengths of the waves around the horizon in bands of the sky: the same at any rotation and mirroring.

    Scaled to length 1 or less, so that two skies whose fields differ by a share d of their
    variation are at most 2 d apart (Parseval and the triangle inequality).
    """
    rows = fields.log_luminance[HIGH_SKY]
    weight = np.sqrt(np.sin((np.arange(ROWS) + 0.5) / ROWS * np.pi))[HIGH_SKY, None]
    waves = weight * np.fft.rfft(rows, axis=1)[:, 1:] / COLUMNS
    total = float(np.linalg.norm(waves))
    bands = waves[:, :_WAVES].reshape(-1, _BAND_ROWS, _WAVES).sum(axis=1) / np.sqrt(_BAND_ROWS)
    least = 0.01 * float(np.linalg.norm(weight))  # of a sky without features, whose waves are noise
    return np.asarray(np.abs(bands).ravel() / max(total, least))


def _compared(data: Path, entries: dict[str, dict[str, Any]]) -> Iterator[tuple[dict[str, Any], NDArray[np.int16]]]:
    """Captures that take part, largest first, with their fingerprints.

    Frames of a day and exposures of a bracket resemble each other by nature; an item of an older make has
    another fingerprint and waits until it is measured again.
    """
    wishes = {file: wish["verdict"] for file, wish in read_overrides(data).items()}
    for entry in sorted(entries.values(), key=lambda e: (-e["width"], e["licence"] is None, e["file"])):
        item = entry_item(data, entry)
        wish = wishes.get(entry["file"], "")
        kept = entry["verdict"] == "keep" if wish != "keep" else "cover" in entry["state"]  # can be kept: it has maps
        if not kept or wish == "reject" or not is_sky(entry) or not item.is_file():
            continue
        with np.load(item) as arrays:
            stored = arrays["fingerprint"]
        if is_fingerprint(stored):
            yield entry, stored


def mark_duplicates(data: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Reject copies and join the sites of captures that share a sky; entries are changed in place.

    Of two captures of one scene the wider one stays, of equal ones one whose licence is stated, else the first
    by name. A copy gets
    ``state["duplicate_of"]`` and ``state["duplicate_distance"]``; a capture whose sky an earlier
    one shows as well gets ``state["same_sky_as"]``. What a person's override keeps is never
    rejected here, and what it rejects is no original.
    """
    compared = list(_compared(data, entries))
    if len(compared) < 2:
        return
    wanted = {file for file, wish in read_overrides(data).items() if wish["verdict"] == "keep"}
    invariants = np.stack([_invariants(stored_fields(stored)) for _, stored in compared])
    tree = cKDTree(invariants)
    known, saved = KnownPairs(data), time.monotonic()
    shared: list[tuple[str, str]] = []
    is_copy = np.zeros(len(compared), dtype=bool)
    for number, (entry, stored) in enumerate(compared):
        nearby = [n for n in tree.query_ball_point(invariants[number], _NEAR) if n < number and not is_copy[n]]
        nearby.sort(key=lambda n: float(np.linalg.norm(invariants[n] - invariants[number])))
        sky_of: dict[str, Any] | None = None
        for other, other_stored in (compared[n] for n in nearby):
            agreement = _agreement(known, (entry, stored), (other, other_stored))
            if agreement.same_scene and entry["file"] not in wanted:
                entry.update(verdict="reject", reason="duplicate")
                distance = round(agreement.distance, 4)
                entry["state"].update(duplicate_of=other["file"], duplicate_distance=distance)
                is_copy[number] = True
                sky_of = other
                break
            if sky_of is None and agreement.same_sky:
                sky_of = other
        if sky_of is not None:
            shared.append((entry["site"], sky_of["site"]))
            if not is_copy[number]:
                entry["state"]["same_sky_as"] = sky_of["file"]
                for one in (entry, sky_of):
                    if "same_sky" not in one["flags"]:
                        one["flags"].append("same_sky")
        if time.monotonic() - saved > SAVE_EVERY_S:
            known.save()
            saved = time.monotonic()
    _join_sites(entries, shared)
    known.save()


def _agreement(
    known: KnownPairs,
    copy: tuple[dict[str, Any], NDArray[np.int16]],
    original: tuple[dict[str, Any], NDArray[np.int16]],
) -> Agreement:
    """What two captures have in common, compared only if no earlier run did."""
    keys = item_key(copy[0]), item_key(original[0])
    if keys[0] == keys[1]:
        return Agreement(0.0, True, True)
    agreement = known.find(*keys)
    if agreement is None:
        agreement = compare(stored_fields(copy[1]), stored_fields(original[1]))
        known.learn(*keys, agreement)
    return agreement


def _join_sites(entries: dict[str, dict[str, Any]], shared: Sequence[tuple[str, str]]) -> None:
    """Give sites that share a sky one name.

    A held-out site's if there is one, else that of the widest capture: what training must not see, it never sees
    because of a further capture. ``shared`` names the wider capture's site second.
    """
    name_of: dict[str, str] = {}

    def root(site: str) -> str:
        while (above := name_of.get(site, site)) != site:
            site = above
        return site

    for pair in shared:
        kept, given_up = sorted(map(root, reversed(pair)), key=_rank)
        name_of[given_up] = kept
    for entry in entries.values():
        entry["site"] = root(entry["site"])


def _rank(site: str) -> tuple[bool, bool]:
    return site not in HELD_OUT_SITES, split_of(site) != "held_out"
