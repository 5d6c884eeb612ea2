"""One cloud volume, views and suns, for our path tracer and Blender's Cycles alike.

    PYTHONPATH=. .venv/bin/python -m tests.comparison.cloud_volume_scene build/comparison

writes ``cloud_volume.npz``, from which ``cloud_volume_cycles.py`` renders: extinction on a regular
grid, phase function, cameras, suns. The camera stands at the origin, +X east, +Y north, +Z up, kilometres. The
grid is sampled where our tracer looks, so the Earth's curvature is in it (0.7 m at 3 km).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.networks.cloud_light import BACKWARD_G, FORWARD_G, FORWARD_WEIGHT
from trainer.simulate.analytic_volumes import heap_extinction
from trainer.simulate.cloud_volume import CloudVolume, VolumeSampler, make_volume
from trainer.simulate.reference import TraceOptions, trace_reference

EXTINCTION_PER_KM, BASE_KM, TOP_KM = 15.0, 1.0, 1.9
SHELLS, TEXELS, TEXEL_KM = 10, 128, 0.05
REACH_KM, VOXEL_KM = 2.6, 0.01
"""Half side and voxel of the grid; the steepest flanks of the clouds are 30 m thick."""
PIXELS = 48
SUNS_DEG = (60.0, 20.0, 5.0)
"""Elevations; the sun stands in the north."""
VIEWS = {"zenith": (0.0, 90.0, 80.0), "toward the sun": (0.0, 35.0, 50.0), "away from it": (180.0, 35.0, 50.0)}
"""Azimuth (clockwise from north) and elevation of a picture's centre, and its field of view, all in degrees."""
EXACT = 10**6
"""Orders of scattering with the true phase function: all of them."""


def heaps(sun_elevation_deg: float) -> CloudVolume:
    """Ten flat-based heaps in three clouds, 0.3 to 0.9 km thick; optical depths 5 to 12 upward."""
    extinction = heap_extinction(
        7, extinction=EXTINCTION_PER_KM, heaps=10, radius_km=0.45, thickness_km=0.6, spread_km=1.8,
        levels=1, shells=SHELLS, window=TEXELS, texel_km=TEXEL_KM,
    )  # fmt: skip
    sun = torch.tensor(sun_direction(sun_elevation_deg), dtype=torch.float32)
    return make_volume(extinction, torch.linspace(BASE_KM, TOP_KM, SHELLS), TEXEL_KM, sun)


def sun_direction(elevation_deg: float) -> NDArray[np.float64]:
    """Unit vector (3,) toward the sun."""
    return np.array([0.0, np.cos(np.deg2rad(elevation_deg)), np.sin(np.deg2rad(elevation_deg))])


def camera_axes(view: str) -> NDArray[np.float64]:
    """Rows: right, up and forward of a view's picture (3, 3)."""
    azimuth, elevation = np.deg2rad(VIEWS[view][:2])
    level = np.array([np.sin(azimuth), np.cos(azimuth), 0.0])
    forward = np.cos(elevation) * level + np.sin(elevation) * np.array([0.0, 0.0, 1.0])
    up = np.cos(elevation) * np.array([0.0, 0.0, 1.0]) - np.sin(elevation) * level
    return np.stack([np.cross(forward, up), up, forward])


def view_directions(view: str, per_side: int) -> Tensor:
    """Directions (PIXELS * PIXELS * per_side**2, 3): the centres of per_side**2 parts of each pixel, row 0 on top."""
    pixel = torch.arange(PIXELS, dtype=torch.float64)
    part = (torch.arange(per_side, dtype=torch.float64) + 0.5) / per_side
    scale = 2 * np.tan(np.deg2rad(VIEWS[view][2] / 2)) / PIXELS
    axis = (pixel[:, None] + part - PIXELS / 2) * scale  # PIXELS per_side
    down, right = axis[:, None, :, None], axis[None, :, None, :]
    frame = torch.from_numpy(camera_axes(view))
    ray = right[..., None] * frame[0] - down[..., None] * frame[1] + frame[2]  # PIXELS PIXELS per_side per_side 3
    return torch.nn.functional.normalize(ray, dim=-1).reshape(-1, 3).float()


def trace_views(volume: CloudVolume, views: Sequence[str], per_side: int, seed: int, **options: int | bool) -> Tensor:
    """Sun, sky and ground scatter and transmittance of v views by our path tracer, (v, 4, PIXELS, PIXELS).

    One path starts on each ray of :func:`view_directions`; ``options`` are those of
    :class:`trainer.simulate.reference.TraceOptions`.
    """
    chosen = TraceOptions(
        **{"paths_per_ray": 1, "sharp_orders": EXACT, "chunk_rays": 2**17, "two_lobes": True, **options}
    )  # type: ignore[arg-type]
    directions = torch.cat([view_directions(view, per_side) for view in views])
    rays = trace_reference(volume, directions, chosen, seed)
    rows = torch.stack([rays.sun_scatter, rays.sky_scatter, rays.ground_scatter, rays.transmittance])  # 4 n
    return rows.reshape(4, len(views), PIXELS, PIXELS, per_side**2).mean(-1).transpose(0, 1)  # v 4 PIXELS PIXELS


def extinction_grid() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Extinction (x, y, z) in 1/km at the voxels' centres, and the first centre (3,) in km."""
    sampler = VolumeSampler(heaps(SUNS_DEG[0]))
    across = torch.arange(-REACH_KM + VOXEL_KM / 2, REACH_KM, VOXEL_KM)
    up = torch.arange(BASE_KM - 2.5 * VOXEL_KM, TOP_KM + 2 * VOXEL_KM, VOXEL_KM)
    slices = []
    for x in across:
        y, z = torch.meshgrid(across, up, indexing="ij")
        position = torch.stack([x.expand_as(y), y, z]).reshape(3, -1)
        slices.append(sampler.extinction(position).reshape(y.shape).numpy())
    return np.stack(slices), np.array([float(across[0]), float(across[0]), float(up[0])])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("cloud_volume_scene: one folder is needed for cloud_volume.npz", file=sys.stderr)
        sys.exit(2)
    torch.set_num_threads(1)
    extinction, corner_km = extinction_grid()
    np.savez_compressed(
        Path(sys.argv[1]) / "cloud_volume.npz",
        extinction=extinction,
        corner_km=corner_km,
        voxel_km=VOXEL_KM,
        lobes_g=(FORWARD_G, BACKWARD_G),
        lobe_weights=(FORWARD_WEIGHT, 1 - FORWARD_WEIGHT),
        pixels=PIXELS,
        views=list(VIEWS),
        axes=[camera_axes(view) for view in VIEWS],
        fields_deg=[field_deg for _, _, field_deg in VIEWS.values()],
        suns_deg=SUNS_DEG,
        suns=[sun_direction(sun) for sun in SUNS_DEG],
    )
