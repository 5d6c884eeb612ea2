"""Patches of real cloud planes for the field's critics.

A capture's plane is trusted near the zenith only: farther out, cloud sides smear the plane
radially. The height of the base is unknown, hence so is the true scale of a plane; patches are
therefore taken at several poolings, which widens the range of scales that count as real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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


@dataclass(frozen=True)
class _CapturedPlane:
    """Maps of one capture."""

    site: str
    split: str
    """Side on which ingest put its site."""
    sun: tuple[float, float]
    """East and north of the point of the plane in front of the sun, km."""
    maps: dict[str, NDArray[np.float32]]
    """Depth and validity (2, n, n) by texel in m."""


def has_planes(data: Path) -> bool:
    """Whether ``trainer ingest`` has left cloud planes in a folder."""
    return any(data.glob("planes-*.npz"))


def _planes(data: Path) -> Iterator[_CapturedPlane]:
    """One capture of each site, shard by shard; raises CaptureError where there are none."""
    if not has_planes(data):
        raise CaptureError(f"Cloud planes are missing in {data}.", "Run python -m trainer ingest first.")
    seen: set[str] = set()
    for path in sorted(data.glob("planes-*.npz")):
        with np.load(path) as file:
            table = {key: file[key] for key in file.files}
        for i, site in enumerate(str(s) for s in table["site"]):
            if site in seen:
                continue
            seen.add(site)
            angles = (float(table[f"sun_{name}_deg"][i]) for name in ("elevation", "azimuth"))
            sun = _sun_place(*angles, float(table["base_km"]))
            maps = {texel: table[f"maps_{texel}m"][i, :2] for texel in ("25", "100")}
            yield _CapturedPlane(site, path.stem.split("-")[1], sun, maps)


def held_out_sites(data: Path, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Sites that training shall never see.

    Those wanted and all that ingest holds out. Where that leaves no broken cloud on one of the two sides: every
    fourth site that shows it.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest``.
    wanted : tuple of str
        Taken if all of them are among the captures.

    Raises
    ------
    CaptureError
        If there are no planes, or fewer than two sites show broken cloud: one must be held out.
    """
    splits: dict[str, str] = {}
    cloudy = []
    for plane in _planes(data):
        splits[plane.site] = plane.split
        if all(any(_cut(plane, *source, PATCH[scale]) for source in _SOURCES[scale]) for scale in PATCH):
            cloudy.append(plane.site)
    wanted = wanted if set(wanted) <= splits.keys() else ()
    held_out = {*wanted, *(site for site, split in splits.items() if split == "held_out")}
    if wanted or 0 < len(held_out.intersection(cloudy)) < len(cloudy):
        return tuple(sorted(held_out))
    if len(cloudy) < 2:
        raise CaptureError(
            f"{len(cloudy)} of {len(splits)} sites in {data} show broken cloud; the field needs two or more.",
            "Ingest more captures of skies with separate clouds.",
        )
    return tuple(sorted(cloudy)[::HELD_OUT_EVERY])


def load_patches(data: Path, held_out: tuple[str, ...], held: bool = False) -> dict[str, PatchBank]:
    """Patch banks "near" and "mid" of the captures' cloud planes.

    Parameters
    ----------
    data : Path
        Folder of ``trainer ingest``.
    held_out : tuple of str
        Sites that training never sees.
    held : bool
        Take the held-out sites instead of the others.

    Raises
    ------
    CaptureError
        If there are no planes, a held-out site is unknown, or no patch shows broken cloud.
    """
    cuts: dict[str, list[tuple[Tensor, Tensor, str]]] = {scale: [] for scale in _SOURCES}
    unknown = set(held_out)
    for plane in _planes(data):
        unknown.discard(plane.site)
        if (plane.site in held_out) == held:
            for scale, sources in _SOURCES.items():
                cuts[scale] += [p for texel, factor in sources for p in _cut(plane, texel, factor, PATCH[scale])]
    if unknown:
        raise CaptureError(
            f"Held-out sites are not in {data}: {', '.join(sorted(unknown))}.", "Name sites of the captures."
        )
    banks = {}
    for scale, parts in cuts.items():
        if not parts:
            raise CaptureError(f"No capture shows broken cloud for the {scale} critic.", "Ingest more captures.")
        depth, valid = (torch.stack([p[j] for p in parts]) for j in (0, 1))
        names = tuple(p[2] for p in parts)
        cover = ((depth > _CLOUD_DEPTH) * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3))
        patches = Counter(names)
        weight = torch.tensor([patches[n] ** -0.5 for n in names])  # between sites alike and patches alike
        banks[scale] = PatchBank(depth, valid, cover, names, weight / weight.sum())
    return banks


def _cut(plane: _CapturedPlane, texel: str, factor: int, size: int) -> list[tuple[Tensor, Tensor, str]]:
    """Patches of one capture at one pooling that show broken cloud away from the sun."""
    depth, valid = _pooled(*plane.maps[texel], factor)
    texel_km = int(texel) * factor / 1000
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
            if max(abs(plane.sun[0] - east), abs(plane.sun[1] - north)) < half + _SUN_CLEARANCE_KM:
                continue
            d = depth[:, row : row + size, column : column + size]
            v = valid[:, row : row + size, column : column + size]
            cover = float(((d > _CLOUD_DEPTH) * v).sum() / v.sum().clamp(min=1))
            if float((d * v).flatten().quantile(0.95)) < _MIN_BODY:
                continue
            if float(v.mean()) >= _MIN_VALID and _COVER_RANGE[0] <= cover <= _COVER_RANGE[1]:
                parts.append((d.float(), v, plane.site))
    return parts
