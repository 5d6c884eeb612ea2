"""Training data of all kept skies: shards of sky discs and cloud plane maps, in numpy's own format.

A shard holds up to 16 skies of one side of the split; SPLIT is ``train`` or ``held_out``.

``DATA/discs-SPLIT-NNN.npz``: radiance (n, 512, 512, 3) float32, valid (n, 512, 512) uint8, site (n,), files (n,),
sun_elevation_rad (n,; NaN without sun), cover (n,; NaN where hardly any sky could be judged).
``DATA/planes-SPLIT-NNN.npz``: for each texel T of 25, 100 and 400 m maps_Tm (n, 4, size, size) float32 with the
channels named in ``channels``, elevation_deg_Tm (size, size) for a stricter choice of texels
(clouds seen from the side smear outward below 25 degrees), cover_Tm (n,; NaN without a valid texel) and
valid_share_Tm (n,); files, site, cover, overcast and the sun's angles (n,).
``DATA/shards.json`` says which sky lies in which shard. A sky stays where it is: one more capture rewrites one shard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.measuring.cloud_plane import BASE_KM, PLANE_SCALES, plane_directions
from trainer.captures.items import ALGORITHM, entry_item, is_sky, item_key, save_arrays
from trainer.captures.manifest import write_text
from trainer.captures.split import split_of
from trainer.captures.training_maps import PLANE_CHANNELS

SKIES_PER_SHARD = 16
"""Skies in one shard (about 40 MB of discs)."""

INDEX = "shards.json"
"""Which sky lies in which shard."""


def assemble(data: Path, entries: dict[str, dict[str, Any]]) -> tuple[int, int]:
    """Write the shards of all kept skies that changed; count of kept skies and of shards.

    Parameters
    ----------
    data : Path
        Folder of the training data.
    entries : dict
        Lines of the manifest by file.

    Raises
    ------
    OutputError
        If a shard cannot be written; finished ones stay.
    """
    kept = {f"{file} {item_key(e)}": e for file, e in sorted(entries.items()) if is_sky(e) and e["verdict"] == "keep"}
    before = _read_index(data)
    places = _assign(kept, before)
    shards: dict[str, dict[str, Any]] = {}
    for name, keys in sorted(places.items()):
        skies = [kept[key] for key in keys]
        shards[name] = {"skies": keys, "digest": _digest(skies)}
        there = all((data / f"{kind}-{name}.npz").is_file() for kind in ("discs", "planes"))
        if not there or before.get(name, {}).get("digest") != shards[name]["digest"]:
            _write_shard(data, name, skies)
            write_text(data / INDEX, json.dumps({**before, **shards}, indent=1))  # an interrupt keeps what is done
    write_text(data / INDEX, json.dumps(shards, indent=1))
    for stale in (*data.glob("discs*.npz"), *data.glob("planes*.npz")):
        if stale.stem.partition("-")[2] not in shards:
            stale.unlink()
    return len(kept), len(shards)


def _read_index(data: Path) -> dict[str, dict[str, Any]]:
    """Shards of an earlier run by name; empty where there is no index or it is damaged: then all are written again."""
    try:
        index = json.loads((data / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    fits = isinstance(index, dict) and all(
        isinstance(s, dict) and {"skies", "digest"} <= s.keys() for s in index.values()
    )
    return index if fits else {}


def _assign(kept: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Keys of the skies of each shard: where they were, new ones into the first gaps, then into new shards."""
    places: dict[str, list[str]] = {}
    placed: set[str] = set()
    for name, shard in sorted(before.items()):
        split = name.rpartition("-")[0]
        stay = [key for key in shard["skies"] if key in kept and split_of(kept[key]["site"]) == split]
        places[name] = [key for key in stay if key not in placed][:SKIES_PER_SHARD]
        placed.update(places[name])
    for key, entry in kept.items():
        if key in placed:
            continue
        for name in _names(split_of(entry["site"])):
            if len(places.setdefault(name, [])) < SKIES_PER_SHARD:
                places[name].append(key)
                break
    return {name: sorted(keys) for name, keys in places.items() if keys}


def _names(split: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"{split}-{number:03d}"
        number += 1


def _digest(skies: Sequence[dict[str, Any]]) -> str:
    """Changes with whatever of the manifest and of the maps goes into a shard."""
    facts = [
        [
            e["file"],
            item_key(e),
            e["site"],
            e["sun"],
            e["state"]["cover"],
            e["state"]["overcast"],
            "override" in e["flags"],
        ]
        for e in skies
    ]
    return hashlib.sha256(json.dumps([ALGORITHM, facts]).encode()).hexdigest()


def _sun_angles(skies: Sequence[dict[str, Any]], name: str) -> NDArray[np.float32]:
    return np.array([e["sun"][name] if e["sun"] else np.nan for e in skies], dtype=np.float32)


def _write_shard(data: Path, name: str, skies: Sequence[dict[str, Any]]) -> None:
    radiance, valid = [], []
    planes: dict[int, list[NDArray[np.float32]]] = {s.texel_m: [] for s in PLANE_SCALES}
    for entry in skies:
        with np.load(entry_item(data, entry)) as item:
            radiance.append(item["radiance"])
            valid.append(item["valid"])
            for texel in planes:
                planes[texel].append(item[f"plane_{texel}m"])
    shared = {
        "files": np.array([e["file"] for e in skies]),
        "site": np.array([e["site"] for e in skies]),
        "cover": np.array([np.nan if (c := e["state"]["cover"]) is None else c for e in skies], dtype=np.float32),
    }
    discs = {"radiance": np.stack(radiance), "valid": np.stack(valid)}
    discs["sun_elevation_rad"] = np.deg2rad(_sun_angles(skies, "elevation_deg"))
    save_arrays(data / f"discs-{name}.npz", {**discs, **shared})
    arrays: dict[str, Any] = {
        "channels": np.array(PLANE_CHANNELS),
        "texel_m": np.array([s.texel_m for s in PLANE_SCALES]),
        "base_km": np.float32(BASE_KM),
        "overcast": np.array([e["state"]["overcast"] for e in skies]),
        "sun_azimuth_deg": _sun_angles(skies, "azimuth_deg"),
        "sun_elevation_deg": _sun_angles(skies, "elevation_deg"),
        **shared,
    }
    for scale in PLANE_SCALES:
        up = plane_directions(scale.size, scale.texel_m * 1e-3)[..., 2]
        stacked = np.stack(planes[scale.texel_m])
        count, cloudy = stacked[:, 1].sum(axis=(1, 2)), (stacked[:, 3] * stacked[:, 1]).sum(axis=(1, 2))
        cover = np.where(count > 0, cloudy / np.maximum(count, 1), np.nan)
        arrays[f"elevation_deg_{scale.texel_m}m"] = np.rad2deg(np.arcsin(up)).astype(np.float32)
        arrays[f"maps_{scale.texel_m}m"] = stacked
        arrays[f"cover_{scale.texel_m}m"] = cover.astype(np.float32)
        arrays[f"valid_share_{scale.texel_m}m"] = stacked[:, 1].mean(axis=(1, 2)).astype(np.float32)
    save_arrays(data / f"planes-{name}.npz", arrays)
