"""Everything that is measured on one panorama, in the order in which it follows.

panorama -> sun -> sky disc -> sky mask -> verdict's evidence -> clouds -> calibration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, disc_directions
from .calibration import Calibration, calibrate
from .cloud_opacity import CloudEstimate, estimate_clouds
from .panorama import Panorama
from .sampling import fill_unseen, sample_disc, shrink_panorama
from .sky_mask import find_sky
from .sky_state import SkyState, cloud_cover, describe_sky
from .sun_position import SunPosition, find_sun
from .verdict import SkyEvidence, gather_evidence, judge

ANALYSIS_WIDTH = 1024
"""Width in pixels to which larger panoramas are averaged before colours are measured."""

ANALYSIS_DISC = 640
"""Size of the sky disc on which clouds are measured: a pixel is 0.36 degrees overhead, 0.18 at the horizon."""

MAX_RADIANCE = 1e30
"""Radiance above this is cut: no sun is as bright, and sums of float32 would overflow."""

SURROUNDINGS_RAD = (np.deg2rad(1.0), np.deg2rad(7.0))
"""Where the ring around the sun that must hold sky begins, beyond the sun's own radius, and its width."""

MIN_SURROUNDING_SKY = 0.15
"""Least share of that ring that is sky."""


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
        """Share of the sky above 15 degrees that holds visible cloud; None where hardly any of it was judged."""
        return None if self.clouds is None else cloud_cover(self.clouds)

    @property
    def state(self) -> SkyState:
        """The sky's figures, without maps."""
        return describe_sky(self.disc, self.sun, self.evidence, self.reason, self.clouds, self.calibration)


def measure(panorama: Panorama) -> SkyState:
    """State of the sky in any panorama: sun, cover, exposure, haze, texture, brightness.

    Parameters
    ----------
    panorama : Panorama
        Linear radiance in any scale and white balance near daylight.

    Returns
    -------
    SkyState
        With a ``reason`` where the capture is no open sky by day; what then cannot be told is None.
    """
    return examine(panorama, force=True).state


def examine(panorama: Panorama, force: bool = False) -> Measurement:
    """Measure a panorama with its maps; clouds and calibration only where it is kept, or with ``force`` always."""
    seen = judge_panorama(panorama)
    if seen.reason is not None and not (force and seen.sky.any()):
        return seen
    direction = None if seen.sun is None else seen.sun.direction
    clouds = estimate_clouds(seen.disc, seen.sky, direction)
    return replace(seen, clouds=clouds, calibration=calibrate(seen.disc, seen.sky, clouds, direction))


def judge_panorama(panorama: Panorama) -> Measurement:
    """Sun, sky mask, evidence and verdict of a panorama, without clouds."""
    small = np.minimum(shrink_panorama(panorama.radiance, ANALYSIS_WIDTH), np.float32(MAX_RADIANCE))
    covered = None
    if panorama.covered is not None and not panorama.covered.all():
        covered = shrink_panorama(panorama.covered[..., None].astype(np.float32), ANALYSIS_WIDTH)[..., 0] > 0.999
    sun = find_sun(small, covered)
    disc = sample_disc(small, ANALYSIS_DISC)
    disc_covered = None
    if covered is not None:
        disc_covered = sample_disc(covered[..., None].astype(np.float32), ANALYSIS_DISC)[..., 0] > 0.999
        disc = fill_unseen(disc, disc_covered)
    ratio = 0.0 if sun is None else sun.energy_ratio  # of a sun alone in the dark nothing around it passes for sky
    sky = find_sky(disc, None if sun is None else sun.direction, disc_covered)
    if sun is not None and not stands_in_sky(sun, sky, disc_covered):
        sun = None
    evidence = gather_evidence(disc, sky, sun, ground_luminance(small, covered), disc_covered)
    evidence = replace(evidence, sun_ratio=ratio)
    return Measurement(sun, disc, sky, evidence, judge(evidence, panorama.flags), None, None)


def ground_luminance(radiance: NDArray[np.float32], covered: NDArray[np.bool_] | None = None) -> float | None:
    """Median luminance of a panorama (H, W, 3) 10 to 50 degrees below the horizon; None if that was not seen."""
    height = radiance.shape[0]
    below = slice(height // 2 + height // 18, height // 2 + 5 * height // 18)
    luminance = radiance[below] @ REC709_LUMINANCE
    if covered is not None:
        luminance = luminance[covered[below]]
    return float(np.median(luminance)) if luminance.size else None


def stands_in_sky(sun: SunPosition, sky: NDArray[np.bool_], covered: NDArray[np.bool_] | None = None) -> bool:
    """Whether enough of the ring around a bright spot is sky; a gap between leaves or a window has none.

    ``sky`` and ``covered`` (N, N) lie on a sky disc.
    """
    directions = disc_directions(sky.shape[0])
    cosine = directions @ sun.direction.astype(np.float32)
    inner = sun.radius_rad + SURROUNDINGS_RAD[0]
    ring = (cosine < np.cos(inner)) & (cosine > np.cos(inner + SURROUNDINGS_RAD[1])) & (directions[..., 2] > 0)
    if covered is not None:
        ring &= covered
    return bool(ring.any()) and float(sky[ring].mean()) > MIN_SURROUNDING_SKY


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
