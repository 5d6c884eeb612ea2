"""Compose: clear sky, two cloud layers, aerial perspective and ground to radiance.

Air between camera and cloud dims the cloud by ``a`` and adds the part of the clear sky's own
light that is scattered before the cloud, ``(1 - a) / (1 - a_end)`` of it, so that a cloud at any
distance melts into the clear sky and a sky without clouds is the clear sky exactly. Where clouds
keep the sun from that air, its light has no glow around the sun: it tends to the clear sky's mean
over azimuth, and under a closed layer it is ``air_glow``, which has no direction: nothing of the clear sky's
horizon shows there. So it is on rays that meet no cloud, too, up to the height of the clouds' base: seen through a gap
far away, the sky is no brighter than the haze before the clouds beside it.

Within a few degrees of the sun, ray and sunbeam pass the same cloud. So the air's aureole before a cloud is dimmed by
that cloud, and what thin clouds diffract, which they do into a degree or two, is depth x exp(-depth) of the sun's
light.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skygen_addon.core.phase_functions import (
    AUREOLE_ASYMMETRY,
    AUREOLE_SHARE,
    DROPLET_PEAK_ASYMMETRY,
    DROPLET_PEAK_SHARE,
)

from .shells import EARTH_RADIUS_KM, shell_distance_km

CAMERA_HEIGHT_KM = 0.1
"""Height above the ground that decides how fast the ground melts into haze: a hill of 100 m, so that the
horizon ends in haze over a degree or two and not in a line."""
PIXEL_WIDTH = 0.4
"""Width of a lobe, as 1 - mean cosine, whose peak is the mean over a pixel of 1 rad that holds it all."""


def table_position(direction: Tensor, sun_direction: Tensor) -> Tensor:
    """Grid coordinates in [-1, 1] of the clear-sky table, (h, w, 2); mapping of core.atmosphere.

    A direction below the horizon reads the horizon where that is as far from the sun: what air scatters before the
    ground depends on the angle to the sun, so its glow fades downwards and does not reach the camera's feet.
    """
    elevation = torch.asin(direction[..., 2].clamp(0.0, 1.0))
    v = 1 - torch.sqrt(elevation / (math.pi / 2))
    horizontal = direction[..., :2]
    sun = sun_direction[:2]
    dot = (horizontal * sun).sum(-1)
    cross = horizontal[..., 0] * sun[1] - horizontal[..., 1] * sun[0]
    length = torch.sqrt((sun * sun).sum() + 1e-6)
    along = ((dot + direction[..., 2] * sun_direction[2]) / length).clamp(-1.0, 1.0)
    below = direction[..., 2] < 0
    dot = torch.where(below, along, dot)
    cross = torch.where(below, torch.sqrt(1 - along * along), cross)
    # Exported, atan2 takes pi off where the first is exactly 0: opposite the sun a pixel would read the sun's column.
    u = torch.atan2(cross.abs().clamp(min=1e-12), dot) / math.pi
    return torch.stack([u * 2 - 1, v * 2 - 1], dim=-1)


def disc_grid(direction: Tensor) -> Tensor:
    """Grid coordinates of the sky disc, (h, w, 2); the horizon is the inscribed circle."""
    position = direction[..., :2] / (1 + direction[..., 2:3].clamp(0.0, 1.0))
    return torch.stack([position[..., 0], -position[..., 1]], dim=-1)


def _wide(channels: Tensor) -> Tensor:
    """Channels (3,) over the pixels (h, w) of other maps, (3, 1, 1)."""
    return channels[:, None, None]


def air_depth(distance_km: Tensor, sin_elevation: Tensor, air: Tensor) -> Tensor:
    """Optical depth (3, h, w) of air up to a distance along a view ray from the ground."""
    height = distance_km * sin_elevation + distance_km * distance_km / (2 * EARTH_RADIUS_KM)
    total = torch.zeros(1)
    for row in range(2):
        ratio = (height / air[row, 3]).clamp(1e-3, 1e3)
        thinning = (1 - torch.exp(-ratio)) / ratio
        total = total + (distance_km * thinning) * _wide(air[row, :3])
    return total


def air_depth_to_space(sin_elevation: Tensor, air: Tensor) -> Tensor:
    """Optical depth (3, h, w) of the whole atmosphere along a view ray (Kasten and Young 1989)."""
    degrees = torch.asin(sin_elevation.clamp(0.0, 1.0)) * (180 / math.pi)
    mass = 1 / (sin_elevation.clamp(0.0, 1.0) + 0.50572 * (degrees + 6.07995) ** -1.6364)
    vertical = air[0, :3] * air[0, 3] + air[1, :3] * air[1, 3]
    return mass * _wide(vertical)


def narrow_lobe(away: Tensor, share: float, asymmetry: float, footprint_rad: Tensor) -> Tensor:
    """Part of a phase function in 1/sr whose integral is ``share``, as in core.phase_functions, seen by a pixel.

    A pixel wider than the lobe sees a wider lobe of the same integral. ``away`` is 2 - 2 cosine of the angle to the
    sun, the square of the distance between unit vectors.
    """
    width = torch.sqrt((1 - asymmetry) ** 2 + (PIXEL_WIDTH * footprint_rad) ** 2).clamp(max=0.5)
    g = 1 - width
    return share * (1 - g * g) / (4 * math.pi) * (width * width + g * away) ** -1.5


class Compose(nn.Module):
    """Signature ``COMPOSE`` of :mod:`skygen_addon.core.signatures`."""

    def forward(
        self,
        direction: Tensor,
        sky_view: Tensor,
        low: Tensor,
        high: Tensor,
        log_correction: Tensor,
        sun_direction: Tensor,
        light: Tensor,
        air: Tensor,
        ground_radiance: Tensor,
        air_light: Tensor,
        sun_share: Tensor,
        air_glow: Tensor,
        ceiling_km: Tensor,
        sun_irradiance: Tensor,
        footprint_rad: Tensor,
        exposure: Tensor,
    ) -> Tensor:
        sample = nn.functional.grid_sample
        sin_elevation = direction[..., 2]
        above = sin_elevation.clamp(0.0, 1.0)
        # Channels come first until the end: that takes half the time of channels after pixels.
        table = table_position(direction, sun_direction)[None]  # 1 h w 2
        parts = sample(sky_view, table, mode="bilinear", padding_mode="border", align_corners=True)
        without, scattered = parts[0].split(3)  # 3 h w
        mean = sky_view[:, :3].mean(3, keepdim=True)
        even = sample(mean, table, mode="bilinear", padding_mode="border", align_corners=True)[0]  # 3 h w
        away = (direction - sun_direction).square().sum(-1)
        aureole = narrow_lobe(away, AUREOLE_SHARE, AUREOLE_ASYMMETRY, footprint_rad)
        clear = without + scattered * aureole
        shade = torch.where(sin_elevation < 0, sun_share, torch.exp(-low[0] - high[0]))
        glow = scattered * (aureole * shade)
        air_radiance = (without + (even - without) * (1 - sun_share) + glow) * air_light
        disc = disc_grid(direction)[None]
        correction = sample(log_correction, disc, mode="bilinear", padding_mode="border", align_corners=False)
        correction = torch.exp(correction[0])  # 3 h w
        whole = 1 - torch.exp(-air_depth_to_space(above, air))

        radiance = torch.zeros(1)
        through = torch.ones(1)
        for index, layer in enumerate((low, high)):
            sun, sky, bounce = (_wide(light[3 * index + source]) for source in range(3))
            cloud = layer[1] * sun + layer[2] * sky + layer[3] * bounce
            dimming = torch.exp(-air_depth(layer[4], above, air))  # 3 h w
            veil = air_radiance * ((1 - dimming) / whole).clamp(0.0, 1.0) + _wide(air_glow) * (1 - dimming)
            transmittance = torch.exp(-layer[0])  # h w
            radiance = radiance + through * (cloud * correction * dimming + (1 - transmittance) * veil)
            through = through * transmittance
        depth = low[0] + high[0]
        peak = narrow_lobe(away, DROPLET_PEAK_SHARE, DROPLET_PEAK_ASYMMETRY, footprint_rad)
        beneath = shell_distance_km(above, ceiling_km.clamp(min=1e-6)) * (ceiling_km > 0).to(above.dtype)  # h w
        hazed = 1 - torch.exp(-air_depth(beneath, above, air))  # 3 h w
        lost = (clear - air_radiance) * (hazed / whole).clamp(0.0, 1.0) - _wide(air_glow) * hazed
        diffracted = depth * torch.exp(-depth) * peak
        sky_radiance = radiance + through * (clear - lost) + diffracted * _wide(sun_irradiance)

        reach = CAMERA_HEIGHT_KM / (-sin_elevation).clamp(1e-4, 1.0)
        dimming = torch.exp(-reach * _wide(air[0, :3] + air[1, :3]))
        ground = _wide(ground_radiance) * dimming + (air_radiance + _wide(air_glow)) * (1 - dimming)
        seen = torch.where(sin_elevation < 0, ground, sky_radiance) * _wide(exposure)
        return seen.permute(1, 2, 0)
