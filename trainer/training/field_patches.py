"""Patches of real cloud planes for the field's critics.

A capture's plane is trusted near the zenith only: farther out, cloud sides smear the plane
radially. The height of the base is unknown, hence so is the true scale of a plane; patches are
therefore taken at several poolings, which widens the range of scales that count as real.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from skygen_addon.core.errors import CaptureError

PATCH = {"near": 64, "mid": 32}
"""Texels along each side of a patch at 25 m and 100 m."""
_CLOUD_DEPTH = 0.3
_STRIDE = 8
_MIN_VALID = 0.9
_MIN_BODY = 1.0
"""Depth that a twentieth of a patch must exceed: veils alone teach no shape."""
_COVER_RANGE = (0.04, 0.96)
_SUN_CLEARANCE_KM = 0.6
"""Distance of a patch's edge from the sun's place on the plane; nearer, its glare reads as cloud."""
_TRUSTED_KM = {"25": 2.0, "100": 2.2}
"""Half width of the trusted middle of a map."""


@dataclass(frozen=True)
class PatchBank:
    """Patches of one scale."""

    depth: Tensor
    """(P, 1, n, n) vertical optical depth."""
    valid: Tensor
    """(P, 1, n, n) 1 where the capture shows sky."""
    cover: Tensor
    """(P,) measured cover over valid texels."""
    site: tuple[str, ...]
    """Site of each patch."""
    weight: Tensor
    """(P,) sampling weights; a site weighs by the root of its patches."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Indices of random patches."""
        return torch.multinomial(self.weight, count, replacement=True, generator=generator)

    def draw_near(self, cover: Tensor, generator: torch.Generator, window: int = 24) -> Tensor:
        """Indices of patches whose cover is among the ``window`` nearest to each asked cover."""
        distance = (self.cover[None, :] - cover[:, None]).abs()
        nearest = distance.topk(min(window, len(self.site)), largest=False).indices
        pick = torch.randint(nearest.shape[1], (len(cover), 1), generator=generator)
        return nearest.gather(1, pick)[:, 0]


def _sun_place(elevation_deg: float, azimuth_deg: float, base_km: float) -> tuple[float, float]:
    """East and north of the point of the plane in front of the sun, km."""
    reach = base_km / np.tan(np.radians(max(elevation_deg, 1.0)))
    return reach * np.sin(np.radians(azimuth_deg)), reach * np.cos(np.radians(azimuth_deg))


def _pooled(depth: NDArray[np.float32], valid: NDArray[np.float32], factor: int) -> tuple[Tensor, Tensor]:
    d, v = torch.from_numpy(np.stack([depth * valid, valid]))[:, None]
    size = d.shape[-1] // factor * factor
    share = functional.avg_pool2d(v[None, :, :size, :size], factor)[0]
    mean = functional.avg_pool2d(d[None, :, :size, :size], factor)[0] / share.clamp(min=1e-3)
    return mean, (share > 0.5).float()


_SOURCES = {"near": (("25", 1),), "mid": (("25", 2), ("25", 3), ("25", 4), ("100", 1))}
"""Maps (texel in m, pooling) from which the patches of a scale are cut."""
HELD_OUT_EVERY = 4
"""One of so many sites is held out where the wanted ones are not there."""


def _planes(path: Path) -> dict[str, NDArray[np.float32]]:
    """Tables of planes.npz; raises CaptureError without it."""
    if not path.is_file():
        raise CaptureError(f"{path} is missing.", "Run python -m trainer ingest first.")
    with np.load(path) as file:
        return {key: file[key] for key in file.files}


def held_out_sites(path: Path, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Sites that training shall never see: those wanted, or of other captures every fourth that shows broken cloud.

    Parameters
    ----------
    path : Path
        planes.npz of ``trainer ingest``.
    wanted : tuple of str
        Taken if all of them are among the captures.

    Raises
    ------
    CaptureError
        If the file is missing, or fewer than two sites show broken cloud: one must be held out.
    """
    planes = _planes(path)
    sites = [str(s) for s in planes["site"]]
    if wanted and set(wanted) <= set(sites):
        return wanted
    cloudy = sorted(
        site
        for i, site in enumerate(sites)
        if site not in sites[:i]
        and all(any(_cut(planes, i, *source, PATCH[scale]) for source in _SOURCES[scale]) for scale in PATCH)
    )
    if len(cloudy) < 2:
        raise CaptureError(
            f"{len(cloudy)} of {len(set(sites))} sites in {path.name} show broken cloud; the field needs two or more.",
            "Ingest more captures of skies with separate clouds.",
        )
    return tuple(cloudy[::HELD_OUT_EVERY])


def load_patches(path: Path, held_out: tuple[str, ...], held: bool = False) -> dict[str, PatchBank]:
    """Patch banks "near" and "mid" of ``planes.npz``.

    Parameters
    ----------
    path : Path
        Written by ``trainer ingest``.
    held_out : tuple of str
        Sites that training never sees.
    held : bool
        Take the held-out sites instead of the others.

    Raises
    ------
    CaptureError
        If the file is missing, a held-out site is unknown, or no patch shows broken cloud.
    """
    planes = _planes(path)
    sites = [str(s) for s in planes["site"]]
    unknown = sorted(set(held_out) - set(sites))
    if unknown:
        raise CaptureError(
            f"Held-out sites are not in {path.name}: {', '.join(unknown)}.", "Name sites of the captures."
        )
    banks = {}
    for scale, sources in _SOURCES.items():
        parts = [
            part
            for i, site in enumerate(sites)
            if (site in held_out) == held and site not in sites[:i]
            for texel, factor in sources
            for part in _cut(planes, i, texel, factor, PATCH[scale])
        ]
        if not parts:
            raise CaptureError(f"No capture shows broken cloud for the {scale} critic.", "Ingest more captures.")
        depth, valid = (torch.stack([p[j] for p in parts]) for j in (0, 1))
        names = tuple(p[2] for p in parts)
        cover = ((depth > _CLOUD_DEPTH) * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3))
        weight = torch.tensor([names.count(n) ** -0.5 for n in names])  # between sites alike and patches alike
        banks[scale] = PatchBank(depth, valid, cover, names, weight / weight.sum())
    return banks


def _cut(
    planes: dict[str, NDArray[np.float32]], i: int, texel: str, factor: int, size: int
) -> list[tuple[Tensor, Tensor, str]]:
    """Patches of one capture at one pooling that show broken cloud away from the sun."""
    maps = planes[f"maps_{texel}m"][i]
    depth, valid = _pooled(maps[0], maps[1], factor)
    texel_km = int(texel) * factor / 1000
    sun = _sun_place(
        float(planes["sun_elevation_deg"][i]), float(planes["sun_azimuth_deg"][i]), float(planes["base_km"])
    )
    count = depth.shape[-1]
    reach = _TRUSTED_KM[texel]
    parts = []
    stride = max(2, _STRIDE // factor)
    for row in range(0, count - size + 1, stride):
        for column in range(0, count - size + 1, stride):
            east = (column + size / 2 - count / 2) * texel_km
            north = (count / 2 - row - size / 2) * texel_km
            half = size * texel_km / 2
            if max(abs(east), abs(north)) + half > max(reach, half + 1e-6) + texel_km:
                continue
            if max(abs(sun[0] - east), abs(sun[1] - north)) < half + _SUN_CLEARANCE_KM:
                continue
            d = depth[:, row : row + size, column : column + size]
            v = valid[:, row : row + size, column : column + size]
            cover = float(((d > _CLOUD_DEPTH) * v).sum() / v.sum().clamp(min=1))
            if float((d * v).flatten().quantile(0.95)) < _MIN_BODY:
                continue
            if float(v.mean()) >= _MIN_VALID and _COVER_RANGE[0] <= cover <= _COVER_RANGE[1]:
                parts.append((d.float(), v, str(planes["site"][i])))
    return parts
