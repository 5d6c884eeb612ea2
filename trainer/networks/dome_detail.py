"""Detail finer than a texel: octaves of a repeating tile, faded where a pixel cannot show them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skygen_addon.core.detail import TILE_TEXELS, WARP_TEXELS

DETAIL_WARP = 0.11
"""Deviation by which an octave displaces outlines, in shares of its wavelength at strength 1."""
GREATEST_WARP_TEXELS = 3.0
"""No place is displaced farther: occupancy looks no farther around its cells."""
SPREAD_WAVELENGTHS = 2.5
"""How much wider than the places that a ray sees an octave must be to show: where a ray grazes a cloud, its place
changes so fast from pixel to pixel that displaced outlines would fold into curls beside the cloud."""
DETAIL_RADIUS_TEXELS, DETAIL_TURN = 1.5, 0.35
"""The detail is read along a helix around the vertical (radius, and radians per texel of height), so that
it does not stand as vertical streaks."""


@dataclass(frozen=True)
class DetailTile:
    """The dome graph's inputs about detail; signature ``DOME`` of :mod:`skygen_addon.core.signatures`."""

    octaves: Tensor
    """(1, C, d, d) of :func:`skygen_addon.core.detail.detail_tile`."""
    strength: Tensor
    """Scalar; 0 turns detail off."""
    offset_km: Tensor
    """(2,) camera on the tile."""
    footprint_rad: Tensor
    """Scalar: angle of a pixel."""
    texel_km: Tensor
    """Scalar: finest texel."""

    def displacement(
        self, distance_km: Tensor, height_km: Tensor, spread_km: Tensor, on_plane: Tensor, sin_elevation: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How far east and north of a place its outline is read on the lattice, in km, both (q,).

        Displacing a smooth cloud's outline by octaves whose size falls with their wavelength gives it
        the ragged rims and turrets of a real one, and neither adds cloud nor takes any away.

        Parameters
        ----------
        distance_km, height_km, spread_km, sin_elevation : Tensor, shape (q,)
            Of a place: distance and height, over what stretch it is seen, and the slope of its ray.
        on_plane : Tensor, shape (q, 2)
            Lattice coordinates of a kilometre along the ray.
        """
        turn = height_km * (DETAIL_TURN / self.texel_km)
        helix = torch.stack([torch.cos(turn), torch.sin(turn)], dim=-1) * (DETAIL_RADIUS_TEXELS * self.texel_km)
        place = (distance_km[:, None] * on_plane + self.offset_km + helix) / (self.texel_km * float(TILE_TEXELS))
        place = (place - torch.floor(place)) * 2 - 1  # the tile repeats its first row and column at the end
        values = nn.functional.grid_sample(
            self.octaves, place[None, None], mode="bilinear", padding_mode="zeros", align_corners=True
        )[0, :, 0]  # C q
        footprint_km = distance_km * self.footprint_rad / torch.sqrt(sin_elevation + 0.05)
        east, north = torch.zeros_like(distance_km), torch.zeros_like(distance_km)
        for octave, texels in enumerate(WARP_TEXELS):
            wavelength = texels * self.texel_km
            resolved = (wavelength / (2 * footprint_km) - 0.5).clamp(0.0, 1.0)
            resolved = resolved * (wavelength / (SPREAD_WAVELENGTHS * spread_km + 1e-6) - 0.5).clamp(0.0, 1.0)
            amplitude_km = resolved * (self.strength * (DETAIL_WARP * texels) * self.texel_km)
            east = east + amplitude_km * values[2 * octave]
            north = north + amplitude_km * values[2 * octave + 1]
        limit_km = GREATEST_WARP_TEXELS * self.texel_km
        east, north = (torch.minimum(torch.maximum(step, -limit_km), limit_km) for step in (east, north))
        return east, north
