"""Dome: view rays through a layer's shells, and the analytic scattering formula.

Along a ray, extinction is integrated between neighbouring shells; each of the m samples of a gap
reads the two shells at its own place on the plane and interpolates in height, so clouds have
sides. What a sample scatters toward the camera is, per unit of light,

- sun: single scattering ``P(angle) exp(-S)`` with a dual-lobe Henyey-Greenstein phase function,
  light scattered forward only so far (the similarity relation's beam exp(-(1-g) S) less the
  direct one, with a flatter phase function), and the diffuse field of a conservative cloud layer
  after Eddington, lit at the slant U / S;
- sky and ground: each scattered photon came from one of them; the share follows the two-stream
  solution, so that a cloud under equal light from everywhere vanishes (white furnace).

S is the optical depth toward the sun, U the optical depth straight up, B the one straight down.
Constants are fitted to :mod:`trainer.simulate.reference`; Shading corrects what remains.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skygen_addon.core.detail import TILE_TEXELS, WAVELENGTH_TEXELS

from .atlas import lookup
from .shells import shell_distance_km
from .sunlight import SHARPNESS, sharpened

FORWARD_G, BACKWARD_G, FORWARD_WEIGHT = 0.88, -0.3, 0.96
"""Lobes whose mean cosine is near that of water droplets in daylight, 0.85 (Hu and Stamnes 1993)."""
ASYMMETRY = FORWARD_WEIGHT * FORWARD_G + (1 - FORWARD_WEIGHT) * BACKWARD_G
"""Mean cosine g of the phase function, for the two-stream terms."""
BEAM_LIGHT, BEAM_FLATTENING = 1.46, 0.64
"""Strength of light scattered forward only, and the factor on the lobes' g for it."""
DIFFUSE_LIGHT, ABOVE_FACTOR, BELOW_FACTOR, FLUX_FACTOR, LEAST_SLANT = 0.67, 1.16, 2.36, 0.49, 0.10
"""Strength of the diffuse field, effective U and B, share of its net flux, and least slant cosine."""
SHARE_BELOW, SHARE_LIMIT = 0.5, 0.03
"""Effective B for the share of the sky, and the least share of sky or ground."""
SKIN_DEPTH = 0.4
"""Optical depth toward the sun below which a cloud's surface counts as fully lit."""
DETAIL_EROSION = 0.1
"""How much the detail moves a cloud's outline, in shares of its greatest extinction."""
DETAIL_RADIUS_TEXELS, DETAIL_TURN = 2.0, 0.55
"""The detail is read along a helix around the vertical (radius, and radians per texel of height), so that
it does not stand as vertical streaks."""


def henyey_greenstein(cos_angle: Tensor, g: float) -> Tensor:
    """Phase function in 1/sr (Henyey and Greenstein 1941)."""
    return (1 - g * g) / (4 * math.pi) * (1 + g * g - 2 * g * cos_angle).clamp(1e-4, 1e4) ** -1.5


def dual_lobe(cos_angle: Tensor, flattening: float = 1.0) -> Tensor:
    """Forward and backward lobe, 1/sr; ``flattening`` scales both lobes' g."""
    forward = henyey_greenstein(cos_angle, FORWARD_G * flattening)
    backward = henyey_greenstein(cos_angle, BACKWARD_G * flattening)
    return FORWARD_WEIGHT * forward + (1 - FORWARD_WEIGHT) * backward


def sun_source(cos_angle: Tensor, sin_elevation: Tensor, sun_depth: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Scattered radiance per unit of sun irradiance and unit of scattering, 1/sr.

    Parameters
    ----------
    cos_angle, sin_elevation : Tensor
        Of the view ray: cosine to the sun, and sine of its elevation; broadcast against the depths.
    sun_depth, above, below : Tensor
        Optical depths S toward the sun, U straight up and B straight down.
    """
    direct = torch.exp(-sun_depth)
    beam = torch.exp(-(1 - ASYMMETRY) * sun_depth)
    up = ABOVE_FACTOR * above
    slant = ((up + 0.02) / (sun_depth + 0.02)).clamp(LEAST_SLANT, 1.0)
    depth_above = (1 - ASYMMETRY) * up
    depth_below = ((1 - ASYMMETRY) * BELOW_FACTOR) * below
    beam_through = beam * torch.exp(-depth_below / slant)
    entered = 2 + 3 * slant + (2 - 3 * slant) * beam_through
    flux = slant * entered / (4 + 3 * (depth_above + depth_below))
    mean = 2 * (slant - flux) - 3 * flux * depth_above + 3 * slant * slant * (1 - beam)
    flow = (3 * FLUX_FACTOR * ASYMMETRY) * (flux - slant * beam) * sin_elevation
    diffuse = (DIFFUSE_LIGHT / (4 * math.pi)) * (mean + flow).clamp(min=0.0)
    forward = BEAM_LIGHT * dual_lobe(cos_angle, BEAM_FLATTENING) * (beam - direct)
    return dual_lobe(cos_angle) * direct + forward + diffuse


def sky_share(sin_elevation: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Share of the diffuse light scattered into a view ray that came from the sky; the rest came from the ground.

    Two-stream solution of a conservative layer, brighter toward the sky for thin clouds, which
    scatter forward; parameters as in :func:`sun_source`.
    """
    skin = (2 / 3) / (1 - ASYMMETRY)
    down = SHARE_BELOW * below
    share = (down + skin * (1 + torch.sqrt(sin_elevation))) / (above + down + 2 * skin)
    return share.clamp(SHARE_LIMIT, 1 - SHARE_LIMIT)


def between(lower: Tensor, upper: Tensor, fraction: Tensor) -> Tensor:
    """Optical depth between two shells: harmonic, for between a shell inside a cloud and one outside
    its lit surface has the outer one's depth."""
    return 1 / ((1 - fraction) / (lower + SKIN_DEPTH) + fraction / (upper + SKIN_DEPTH)) - SKIN_DEPTH


def mean_sharpened(first: Tensor, last: Tensor) -> Tensor:
    """Mean of :func:`sharpened` over a step along which the outline goes linearly from ``first`` to ``last``."""

    def integral(outline: Tensor) -> Tensor:
        raised = (outline - 0.5) * SHARPNESS + 0.5
        return 0.5 * raised.clamp(0.0, 1.0).square() + torch.relu(raised - 1)

    rise = last - first
    flat = rise.abs() < 1e-3
    slope = torch.where(flat, torch.ones_like(rise), rise) * SHARPNESS
    return torch.where(flat, sharpened(0.5 * (first + last)), (integral(last) - integral(first)) / slope)


def clear_stretch(first: Tensor, last: Tensor) -> Tensor:
    """Share of a step that lies in front of the cloud it enters, 0 where it begins inside."""
    rise = (last - first).clamp(min=1e-3)
    return torch.where(first < 0.5, ((0.5 - first) / rise).clamp(0.0, 1.0), torch.zeros_like(first))


def before(samples: Tensor) -> Tensor:
    """The sample before each one along the ray; the first stands for itself."""
    return torch.cat([samples[:1], samples[:-1]])


class Dome(nn.Module):
    """Rays through one layer; signature ``DOME`` of :mod:`skygen_addon.core.signatures`.

    ``repeat`` is that of :func:`trainer.networks.atlas.lookup`.
    """

    def __init__(self, repeat: bool = True) -> None:
        super().__init__()
        self.repeat = repeat

    def forward(
        self,
        direction: Tensor,
        footprint_rad: Tensor,
        volume: Tensor,
        detail: Tensor,
        detail_strength: Tensor,
        shell_km: Tensor,
        texel_km: Tensor,
        plane_matrix: Tensor,
        plane_offset_km: Tensor,
        detail_offset_km: Tensor,
        substep: Tensor,
        sun_direction: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        h, w = direction.shape[0], direction.shape[1]
        gaps, steps = volume.shape[0], substep.shape[0]
        view = direction.reshape(1, h * w, 3)
        sin_elevation = view[..., 2].clamp(0.0, 1.0)  # 1 p
        cos_angle = (view * sun_direction).sum(-1)  # 1 p
        lower_km, gap_km = shell_km[:-1, None], (shell_km[1:] - shell_km[:-1])[:, None]  # g 1

        height = (lower_km + gap_km * substep).reshape(gaps * steps, 1)  # s 1
        half = (gap_km / (2.0 * steps)).expand(gaps, steps).reshape(gaps * steps, 1)
        distance = shell_distance_km(sin_elevation, height)  # s p
        length = shell_distance_km(sin_elevation, height + half) - shell_distance_km(sin_elevation, height - half)
        lattice = (distance[..., None] * view[..., :2]) @ plane_matrix.transpose(0, 1)  # s p 2
        position = (lattice + plane_offset_km).reshape(gaps, steps, h * w, 2)
        gap = lookup(volume, position, texel_km, self.repeat)  # g 7 m p
        f = substep[None, :, None]
        sun_depth = between(gap[:, 3], gap[:, 4], f).reshape(gaps * steps, h * w)  # s p
        zenith_depth = between(gap[:, 5], gap[:, 6], f).reshape(gaps * steps, h * w)
        turn = height[:, :, None] * (DETAIL_TURN / texel_km)  # s 1 1
        helix = torch.cat([torch.cos(turn), torch.sin(turn)], dim=-1) * (DETAIL_RADIUS_TEXELS * texel_km)
        noise, variance = self.detail(
            lattice + detail_offset_km + helix,
            distance,
            length,
            sin_elevation,
            footprint_rad,
            detail,
            detail_strength,
            texel_km,
        )
        fill = gap[:, 0] + (gap[:, 1] - gap[:, 0]) * f  # g m p
        fill = fill.reshape(gaps * steps, h * w)
        lift = ((height - shell_km[0]) / (shell_km[1] - shell_km[0])).clamp(0.0, 1.0)  # s 1, bases stay flat
        noise, variance = noise * lift, variance * lift * lift
        outline = fill + DETAIL_EROSION * noise * (3 * fill).clamp(0.0, 1.0)  # s p, no specks in clear air
        greatest = gap[:, 2].reshape(gaps * steps, h * w) * torch.exp(noise - 0.5 * variance)  # s p

        # From one sample to the next a cloud's outline is linear, so where a step enters or leaves a
        # cloud is known; light comes from where it is scattered, near the front of a dense stretch.
        base = shell_distance_km(sin_elevation, shell_km[:1, None])  # 1 p
        share = mean_sharpened(before(outline), outline)
        depth = 0.5 * (greatest + before(greatest)) * share * (distance - torch.cat([base, distance[:-1]]))  # s p
        total = torch.cumsum(depth, dim=0)
        weight = torch.exp(depth - total) * (1 - torch.exp(-depth))  # s p
        safe = weight.sum(0) + 1e-6
        entry = clear_stretch(before(outline), outline)
        place = entry + share / (2 + depth)  # mean place of scattering in a step, 0 front to 1 back
        sun_depth = before(sun_depth) + (sun_depth - before(sun_depth)) * place
        zenith_depth = before(zenith_depth) + (zenith_depth - before(zenith_depth)) * place
        density = 0.5 * (greatest + before(greatest)) * sharpened(before(outline) + (outline - before(outline)) * place)
        below = density * (height - shell_km[0])  # s p, as if the cloud were uniform down to its base
        sun = (weight * sun_source(cos_angle, sin_elevation, sun_depth, zenith_depth, below)).sum(0)
        sky = (weight * sky_share(sin_elevation, zenith_depth, below)).sum(0)
        ground = weight.sum(0) - sky
        shape = (h, w)
        return (
            total[-1].reshape(shape),
            sun.reshape(shape),
            sky.reshape(shape),
            ground.reshape(shape),
            ((weight * distance).sum(0) / safe).reshape(shape),
            ((weight * sun_depth).sum(0) / safe).reshape(shape),
        )

    def detail(
        self,
        lattice_km: Tensor,
        distance_km: Tensor,
        length_km: Tensor,
        sin_elevation: Tensor,
        footprint_rad: Tensor,
        tile: Tensor,
        strength: Tensor,
        texel_km: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Octaves finer than a texel, faded by pixel footprint and step, and their variance, both (s, p)."""
        place = lattice_km / (texel_km * float(TILE_TEXELS))
        place = place - torch.floor(place)
        grid = (place * 2 - 1)[None]  # 1 s p 2, the tile repeats its first row and column at the end
        octaves = nn.functional.grid_sample(tile, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]
        footprint_km = distance_km * footprint_rad / torch.sqrt(sin_elevation + 0.05)
        noise, variance = torch.zeros_like(distance_km), torch.zeros_like(distance_km)
        for channel, texels in enumerate(WAVELENGTH_TEXELS):
            wavelength = texels * texel_km
            resolved = (wavelength / (2 * footprint_km) - 0.5).clamp(0.0, 1.0)
            resolved = resolved * (wavelength / length_km - 0.5).clamp(0.0, 1.0)  # a long step would alias it
            amplitude = strength * resolved
            noise = noise + amplitude * octaves[channel]
            variance = variance + amplitude * amplitude
        return noise, variance
