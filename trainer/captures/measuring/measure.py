"""Everything that is measured on one panorama, in the order in which it follows.

panorama -> sun -> sky disc -> sky mask -> verdict's evidence -> clouds -> calibration -> training maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skygen_addon.core.geometry import REC709_LUMINANCE, disc_directions, disc_position
from trainer.captures.measuring.calibration import Calibration, calibrate
from trainer.captures.measuring.cloud_opacity import CloudEstimate, estimate_clouds
from trainer.captures.measuring.cloud_plane import PLANE_SCALES, unproject
from trainer.captures.measuring.sampling import sample_disc, shrink_panorama, turn_from_north
from trainer.captures.measuring.sky_mask import find_sky
from trainer.captures.measuring.sun_position import SunPosition, find_sun
from trainer.captures.measuring.verdict import SkyEvidence, gather_evidence, judge
from trainer.captures.readers.panorama_file import Panorama

ANALYSIS_WIDTH = 1024
"""Width in pixels to which larger panoramas are averaged before colours are measured."""

ANALYSIS_DISC = 640
"""Size of the sky disc on which clouds are measured: a pixel is 0.36 degrees overhead, 0.18 at the horizon."""

TRAINING_DISC = 512
"""Size of the sky disc that training reads."""

PLANE_CHANNELS = ("depth", "valid", "log_luminance", "alpha")
"""Channels of a cloud plane map."""


@dataclass(frozen=True)
class Measurement:
    """What one panorama's sky was found to be."""

    sun: SunPosition | None
    """The sun, or None."""
    disc: NDArray[np.float32]
    """Sky disc (640, 640, 3) in the file's scale, row 0 north."""
    sky: NDArray[np.bool_]
    """Sky mask (640, 640)."""
    evidence: SkyEvidence
    """Figures for the verdict."""
    reason: str | None
    """Why it is rejected, or None."""
    clouds: CloudEstimate | None
    """Clouds of a kept sky."""
    calibration: Calibration | None
    """Exposure and white balance of a kept sky."""

    @property
    def cover(self) -> float | None:
        """Mean opacity over the valid sky above 15 degrees, weighted by solid angle."""
        if self.clouds is None:
            return None
        z = disc_directions(self.disc.shape[0])[..., 2]
        use = self.clouds.valid & (z > np.sin(np.deg2rad(15.0)))
        weight = (1 + z) ** 2
        return float((self.clouds.alpha * weight)[use].sum() / max(weight[use].sum(), 1e-9))


def measure(panorama: Panorama, force: bool = False) -> Measurement:
    """Measure a panorama; clouds and calibration only where it is kept, or with ``force`` always."""
    radiance = panorama.radiance
    small = shrink_panorama(radiance, ANALYSIS_WIDTH)
    sun = find_sun(radiance)
    disc = sample_disc(small, ANALYSIS_DISC)
    direction = None if sun is None else sun.direction
    sky = find_sky(disc, direction)
    height = small.shape[0]
    below = small[height // 2 + height // 18 : height // 2 + 5 * height // 18] @ REC709_LUMINANCE
    evidence = gather_evidence(disc, sky, sun, float(np.median(below)))
    reason = judge(evidence, panorama.flags)
    if reason is not None and not (force and sky.any()):
        return Measurement(sun, disc, sky, evidence, reason, None, None)
    clouds = estimate_clouds(disc, sky, direction)
    return Measurement(sun, disc, sky, evidence, reason, clouds, calibrate(disc, sky, clouds, direction))


def remove_sun(radiance: NDArray[np.float32], sun: SunPosition | None) -> NDArray[np.float32]:
    """Sky disc (N, N, 3) with the sun's disc and its clipped bloom replaced by the ring around it.

    Inside 4 degrees no pixel stays brighter than the 90th percentile of the ring of 4 to 6 degrees.
    """
    if sun is None:
        return radiance
    cosine = disc_directions(radiance.shape[0]) @ sun.direction.astype(np.float32)
    ring = (cosine < np.cos(np.deg2rad(4.0))) & (cosine > np.cos(np.deg2rad(6.0)))
    inside = cosine >= np.cos(np.deg2rad(4.0))
    if not ring.any() or not inside.any():
        return radiance
    limit = np.percentile(radiance[ring], 90, axis=0).astype(np.float32)
    result = radiance.copy()
    result[inside] = np.minimum(result[inside], limit)
    return result


def training_disc(panorama: Panorama, measured: Measurement) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Calibrated sky disc (512, 512, 3) with the sun taken out and turned to north, and its mask (512, 512)."""
    assert measured.calibration is not None
    azimuth = 0.0 if measured.sun is None else measured.sun.azimuth_rad
    small = shrink_panorama(panorama.radiance, 2 * ANALYSIS_WIDTH)
    disc = sample_disc(small, TRAINING_DISC, azimuth)
    turned = None
    if measured.sun is not None:
        old = measured.sun
        turned = SunPosition(0.0, old.elevation_rad, old.contrast, old.energy_ratio, old.clipped)
    disc = measured.calibration.apply(remove_sun(disc, turned))
    position = disc_position(turn_from_north(disc_directions(TRAINING_DISC), azimuth))
    size = measured.sky.shape[0]
    row = np.clip(((1 - position[..., 1]) / 2 * size).astype(int), 0, size - 1)
    column = np.clip(((1 + position[..., 0]) / 2 * size).astype(int), 0, size - 1)
    return disc, measured.sky[row, column].astype(np.uint8)


def plane_maps(measured: Measurement) -> dict[int, NDArray[np.float32]]:
    """Cloud plane maps of a kept sky: texel in metres -> (4, size, size) float32, `PLANE_CHANNELS`."""
    assert measured.clouds is not None
    clouds = measured.clouds
    luminance = measured.disc @ REC709_LUMINANCE
    median = max(float(np.median(luminance[measured.sky])), 1e-12)
    log_luminance = np.log(np.maximum(luminance, 1e-4 * median) / median)
    stacked = np.stack([clouds.tau_vertical, log_luminance, clouds.alpha], axis=-1)
    maps = {}
    for scale in PLANE_SCALES:
        mean, share = unproject(stacked, clouds.valid.astype(np.float32), scale)
        valid = share > 0.9
        mean[~valid] = 0.0
        maps[scale.texel_m] = np.stack([mean[..., 0], valid.astype(np.float32), mean[..., 1], mean[..., 2]])
    return maps
