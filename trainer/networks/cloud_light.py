"""The analytic scattering formula: what a place in a cloud scatters toward the camera, per unit of light.

- Sun: single scattering ``P(angle) exp(-S)`` with the phase function of droplets but for what they diffract, which is
  seen within a degree or two of the sun only and added by :mod:`.compose`; light scattered forward only so far (the
  similarity relation's beam exp(-(1-g) S) less the direct one, with a flatter dual-lobe phase function), and the
  diffuse field of a conservative cloud layer after Eddington, lit at the slant U / S, or deep inside at the sun's own.
- Sky and ground: each scattered photon came from one of them; the share follows the two-stream
  solution, so that a cloud under equal light from everywhere vanishes (white furnace).

S is the optical depth toward the sun, U the optical depth straight up, B the one straight down.
Constants are fitted to :mod:`trainer.simulate.reference`; Shading corrects what remains.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skygen_addon.core.phase_functions import DROPLET_LOBES

FORWARD_G, BACKWARD_G, FORWARD_WEIGHT = 0.88, -0.3, 0.96
"""Lobes of light that is scattered often; their mean cosine is near that of water droplets in daylight, 0.85 (Hu and
Stamnes 1993)."""
ASYMMETRY = FORWARD_WEIGHT * FORWARD_G + (1 - FORWARD_WEIGHT) * BACKWARD_G
"""Mean cosine g of the phase function, for the two-stream terms."""
BEAM_LIGHT, BEAM_FLATTENING = 1.46, 0.64
"""Strength of light scattered forward only, and the factor on the lobes' g for it."""
DIFFUSE_LIGHT, ABOVE_FACTOR, BELOW_FACTOR, FLUX_FACTOR, LEAST_SLANT = 0.67, 1.16, 2.36, 0.49, 0.10
"""Strength of the diffuse field, effective U and B, share of its net flux, and least slant cosine."""
SLANT_SPREAD = 1.2
"""Departure of the log of the slant, from that of a wide layer, that is half taken for chance."""
SHARE_BELOW, SHARE_LIMIT = 0.5, 0.03
"""Effective B for the share of the sky, and the least share of sky or ground."""
SKIN_DEPTH = 0.4
"""Optical depth toward the sun below which a cloud's surface counts as fully lit."""


def henyey_greenstein(cos_angle: Tensor, g: float) -> Tensor:
    """Phase function in 1/sr (Henyey and Greenstein 1941)."""
    return (1 - g * g) / (4 * math.pi) * (1 + g * g - 2 * g * cos_angle).clamp(1e-4, 1e4) ** -1.5


def dual_lobe(cos_angle: Tensor, flattening: float = 1.0) -> Tensor:
    """Forward and backward lobe, 1/sr; ``flattening`` scales both lobes' g."""
    forward = henyey_greenstein(cos_angle, FORWARD_G * flattening)
    backward = henyey_greenstein(cos_angle, BACKWARD_G * flattening)
    return FORWARD_WEIGHT * forward + (1 - FORWARD_WEIGHT) * backward


def droplet_lobes(cos_angle: Tensor) -> Tensor:
    """What droplets scatter once, 1/sr, without what they diffract."""
    forward, backward = (share * henyey_greenstein(cos_angle, g) for share, g in DROPLET_LOBES)
    return forward + backward


def settled_slant(slant: Tensor, sun_slope: Tensor, buried: Tensor) -> Tensor:
    """Slant cosine of the light that a place gets, from the slant U / S of its own ways out.

    Light that is scattered often comes from all around: deep in a wide layer it falls as it falls on the layer,
    whatever one way to the sun happens to pass. Where U / S is far from that there is no wide layer, but a cloud's
    side, and the slant stays.

    Parameters
    ----------
    slant : Tensor
        U / S, LEAST_SLANT to 1.
    sun_slope : Tensor
        Sine of the sun's elevation there.
    buried : Tensor
        Depth to the nearer of the two ways' ends, in transport optical depths.
    """
    layer = (ABOVE_FACTOR * sun_slope).clamp(LEAST_SLANT, 1.0)
    departure = torch.log(slant / layer)
    likely = 1 / (1 + (departure / SLANT_SPREAD).square().square())
    settled = (1 - torch.exp(-buried)) * likely
    return layer * torch.exp(departure * (1 - settled))


def sun_source(
    cos_angle: Tensor, sin_elevation: Tensor, sun_slope: Tensor, sun_depth: Tensor, above: Tensor, below: Tensor
) -> Tensor:
    """Scattered radiance per unit of sun irradiance and unit of scattering, 1/sr.

    Parameters
    ----------
    cos_angle, sin_elevation : Tensor
        Of the view ray: cosine to the sun, and sine of its elevation; broadcast against the depths.
    sun_slope : Tensor
        Sine of the sun's elevation at the place.
    sun_depth, above, below : Tensor
        Optical depths S toward the sun, U straight up and B straight down.
    """
    direct = torch.exp(-sun_depth)
    beam = torch.exp(-(1 - ASYMMETRY) * sun_depth)
    up = ABOVE_FACTOR * above
    slant = ((up + 0.02) / (sun_depth + 0.02)).clamp(LEAST_SLANT, 1.0)
    depth_above = (1 - ASYMMETRY) * up
    slant = settled_slant(slant, sun_slope, torch.minimum(depth_above, (1 - ASYMMETRY) * sun_depth))
    depth_below = ((1 - ASYMMETRY) * BELOW_FACTOR) * below
    beam_through = beam * torch.exp(-depth_below / slant)
    entered = 2 + 3 * slant + (2 - 3 * slant) * beam_through
    flux = slant * entered / (4 + 3 * (depth_above + depth_below))
    mean = 2 * (slant - flux) - 3 * flux * depth_above + 3 * slant * slant * (1 - beam)
    flow = (3 * FLUX_FACTOR * ASYMMETRY) * (flux - slant * beam) * sin_elevation
    diffuse = (DIFFUSE_LIGHT / (4 * math.pi)) * (mean + flow).clamp(min=0.0)
    forward = BEAM_LIGHT * dual_lobe(cos_angle, BEAM_FLATTENING) * (beam - direct)
    return droplet_lobes(cos_angle) * direct + forward + diffuse


def sky_share(sin_elevation: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Share of the diffuse light scattered into a view ray that came from the sky; the rest came from the ground.

    Two-stream solution of a conservative layer, brighter toward the sky for thin clouds, which
    scatter forward; parameters as in :func:`sun_source`.
    """
    skin = (2 / 3) / (1 - ASYMMETRY)
    down = SHARE_BELOW * below
    share = (down + skin * (1 + torch.sqrt(sin_elevation))) / (above + down + 2 * skin)
    return share.clamp(SHARE_LIMIT, 1 - SHARE_LIMIT)


def between_from_beneath(lower: Tensor, upper: Tensor, fraction: Tensor, lowest: Tensor, share: Tensor) -> Tensor:
    """As :func:`between`, for a depth of which a ``share`` is counted from a cloud's base instead of its top.

    A base is flat and lies on the lowest shell, so that in the lowest gap (``lowest`` 1, else 0) the
    depth grows from there evenly.
    """
    harmonic = between(lower, upper, fraction)
    return harmonic + (share * lowest) * (lower + fraction * (upper - lower) - harmonic)


def between(lower: Tensor, upper: Tensor, fraction: Tensor) -> Tensor:
    """Optical depth between two shells: harmonic, for between a shell inside a cloud and one outside
    its lit surface has the outer one's depth."""
    return 1 / ((1 - fraction) / (lower + SKIN_DEPTH) + fraction / (upper + SKIN_DEPTH)) - SKIN_DEPTH
