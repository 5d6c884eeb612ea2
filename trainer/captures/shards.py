"""Training data of all kept skies: shards of sky discs and the cloud plane maps, in numpy's own format.

``DATA/discs-NNN.npz``: radiance (n, 512, 512, 3) float32, valid (n, 512, 512) uint8, site_index (n,),
sites, files (n,), sun_elevation_rad (n,; NaN without sun), cover (n,).
``DATA/planes.npz``: for each texel T of 25, 100 and 400 m maps_Tm (n, 4, size, size) float32 with the
channels named in ``channels``, elevation_deg_Tm (size, size) for a stricter choice of texels
(clouds seen from the side smear outward below 25 degrees), cover_Tm and valid_share_Tm (n,); files,
site, cover, overcast and the sun's angles (n,).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.captures.items import item_path, save_arrays
from trainer.captures.measuring.cloud_plane import BASE_KM, PLANE_SCALES, plane_directions
from trainer.captures.measuring.measure import PLANE_CHANNELS

DISCS_PER_SHARD = 16
"""Skies in one file of discs (about 40 MB)."""


def assemble(data: Path, entries: dict[str, dict[str, Any]]) -> tuple[int, int]:
    """Write the shards of discs and the cloud planes of all kept skies; count of skies and of shards."""
    kept = [e for _, e in sorted(entries.items()) if e["verdict"] == "keep"]
    sites = sorted({e["site"] for e in kept})
    shards = [kept[i : i + DISCS_PER_SHARD] for i in range(0, len(kept), DISCS_PER_SHARD)]
    planes: dict[int, list[NDArray[np.float32]]] = {s.texel_m: [] for s in PLANE_SCALES}
    for number, shard in enumerate(shards):
        radiance, valid = [], []
        for entry in shard:
            with np.load(item_path(data, entry["sha256"])) as item:
                radiance.append(item["radiance"])
                valid.append(item["valid"])
                for texel in planes:
                    planes[texel].append(item[f"plane_{texel}m"])
        elevation = [e["sun"]["elevation_deg"] if e["sun"] else np.nan for e in shard]
        save_arrays(
            data / f"discs-{number:03d}.npz",
            {
                "radiance": np.stack(radiance),
                "valid": np.stack(valid),
                "site_index": np.array([sites.index(e["site"]) for e in shard], dtype=np.int64),
                "sites": np.array(sites),
                "files": np.array([e["file"] for e in shard]),
                "sun_elevation_rad": np.deg2rad(np.array(elevation, dtype=np.float32)),
                "cover": np.array([e["state"]["cover"] for e in shard], dtype=np.float32),
            },
        )
    for stale in data.glob("discs-*.npz"):
        if int(stale.stem.split("-")[1]) >= len(shards):
            stale.unlink()
    if kept:
        arrays: dict[str, Any] = {
            "channels": np.array(PLANE_CHANNELS),
            "texel_m": np.array([s.texel_m for s in PLANE_SCALES]),
            "base_km": np.float32(BASE_KM),
            "files": np.array([e["file"] for e in kept]),
            "site": np.array([e["site"] for e in kept]),
            "cover": np.array([e["state"]["cover"] for e in kept], dtype=np.float32),
            "overcast": np.array([e["state"]["overcast"] for e in kept]),
            "sun_azimuth_deg": np.array([e["sun"]["azimuth_deg"] if e["sun"] else np.nan for e in kept], np.float32),
            "sun_elevation_deg": np.array(
                [e["sun"]["elevation_deg"] if e["sun"] else np.nan for e in kept], np.float32
            ),
        }
        for scale in PLANE_SCALES:
            up = plane_directions(scale.size, scale.texel_m * 1e-3)[..., 2]
            arrays[f"elevation_deg_{scale.texel_m}m"] = np.rad2deg(np.arcsin(up)).astype(np.float32)
        for texel, maps in planes.items():
            stacked = np.stack(maps)
            arrays[f"maps_{texel}m"] = stacked
            count = np.maximum(stacked[:, 1].sum(axis=(1, 2)), 1)
            arrays[f"cover_{texel}m"] = ((stacked[:, 3] * stacked[:, 1]).sum(axis=(1, 2)) / count).astype(np.float32)
            arrays[f"valid_share_{texel}m"] = stacked[:, 1].mean(axis=(1, 2)).astype(np.float32)
        save_arrays(data / "planes.npz", arrays)
    else:
        (data / "planes.npz").unlink(missing_ok=True)
    return len(kept), len(shards)
