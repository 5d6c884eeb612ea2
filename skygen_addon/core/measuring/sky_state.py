"""The state of one sky in a few figures: what a manifest keeps and what matching a capture starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import REC709_LUMINANCE, disc_directions
from .calibration import Calibration
from .cloud_opacity import CloudEstimate
from .cloud_texture import texture_size_km
from .sampling import disc_weights
from .sun_position import SunPosition
from .verdict import SkyEvidence

SUNLESS = ("night", "indoor", "sun_only", "not_panorama")
"""Reasons with which a bright spot is a lamp, the moon or a window, and colours tell nothing about clouds."""

MIN_ELEVATION_RAD = np.deg2rad(15.0)
"""Below this, clouds are seen edge on and through haze."""

VISIBLE_OPACITY = 0.1
"""Opacity along the view ray from which on cloud is seen.

At the height of most of the sky, about 35 degrees, it is a vertical optical depth of 0.06: the one from which
on the generator counts a column of cirrus as covered. Denser clouds pass it and theirs, 0.3, on the same rim.
"""

MIN_JUDGED_SHARE = 0.1
"""Least share of the sky above 15 degrees that must be judged for its cover to be told: a gap between leaves is all
cloud or all blue, and says little about the rest."""

MIN_CLOUD_SHARE = 0.01
"""Share of the sky that opaque cloud must take for its brightness to be told."""

OPAQUE = 0.7
"""Opacity from which on a pixel shows cloud rather than sky."""


@dataclass(frozen=True)
class SkyState:
    """One sky as it was measured; None wherever the capture does not tell."""

    reason: str | None
    """Why it would not serve for training, one of the manifest's reasons; None for an open sky by day."""
    evidence: SkyEvidence
    """Figures on which that rests; ``sky_share`` and ``ground_ratio`` among them."""
    sun: SunPosition | None
    """The sun where it is seen, also through thin cloud."""
    cover: float | None
    """Share of the sky above 15 degrees that holds visible cloud, thick or thin (`cloud_cover`), 0 to 1; None where
    hardly any of it was judged."""
    opacity: float | None
    """Mean opacity of the same sky, 0 to 1: a thin veil over all of it has cover 1 and little opacity."""
    overcast: bool | None
    """Whether no clear sky was found."""
    calibration: Calibration | None
    """Exposure, white balance and haze, and how they were found."""
    texture_km: float | None
    """Typical horizontal size of clouds and gaps (`cloud_texture`), if their base is at the assumed height."""
    lit_radiance: float | None
    """Mean luminance of the brighter half of the opaque cloud, in the project's unit."""
    base_radiance: float | None
    """Mean luminance of the darkest tenth of the opaque cloud: the bases."""

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON; the sun and the reason have fields of their own in the manifest.

        What was not measured is left out, but the ground's ratio is None where no ground was seen, and cover and
        opacity are None where clouds were measured in too little sky.
        """
        evidence = self.evidence
        ratio = evidence.ground_ratio
        state: dict[str, Any] = {
            "sky_share": round(evidence.sky_share, 4),
            "overhead_share": round(evidence.overhead_share, 4),
            "foliage": round(evidence.foliage, 4),
            "stars": evidence.stars,
            "ground_ratio": None if ratio is None else round(ratio, 4),
            "blueness": round(evidence.blueness, 4),
        }
        if self.calibration is not None:
            state["cover"] = None if self.cover is None else round(self.cover, 4)
            state["opacity"] = None if self.opacity is None else round(self.opacity, 4)
            state["overcast"] = self.overcast
            state["scale"] = float(f"{self.calibration.scale:.5g}")
            state["balance"] = [round(v, 4) for v in self.calibration.balance]
            state["calibrated_by"] = self.calibration.source
            if self.calibration.residual is not None:
                state["haze"] = round(self.calibration.haze or 0.0, 3)
                state["residual"] = round(self.calibration.residual, 4)
            for name in ("texture_km", "lit_radiance", "base_radiance"):
                value = getattr(self, name)
                state[name] = None if value is None else float(f"{value:.4g}")
        return state


def judged_share(clouds: CloudEstimate) -> float:
    """Share of the solid angle above 15 degrees in which clouds were judged, 0 to 1."""
    z = disc_directions(clouds.valid.shape[0])[..., 2]
    high = z > np.sin(MIN_ELEVATION_RAD)
    weight = disc_weights(z[high])
    return float(weight[clouds.valid[high]].sum() / weight.sum())


def cloud_cover(clouds: CloudEstimate) -> float | None:
    """Share of the valid sky above 15 degrees that holds visible cloud, weighted by solid angle, 0 to 1.

    None where less than :data:`MIN_JUDGED_SHARE` of that sky is valid.

    This is what an observer's oktas mean (WMO Cloud Atlas: the fraction of the dome covered by all visible
    cloud, however thin), and what the generator's control of the same name sets: a share of columns, not
    how opaque they are. Cloud is visible from :data:`VISIBLE_OPACITY` on.
    """
    return _sky_mean((clouds.alpha > VISIBLE_OPACITY).astype(np.float32), clouds)


def mean_opacity(clouds: CloudEstimate) -> float | None:
    """Mean opacity over the valid sky above 15 degrees, weighted by solid angle, 0 to 1; None as `cloud_cover`."""
    return _sky_mean(clouds.alpha, clouds)


def _sky_mean(values: NDArray[np.float32], clouds: CloudEstimate) -> float | None:
    if judged_share(clouds) < MIN_JUDGED_SHARE:
        return None
    z = disc_directions(values.shape[0])[..., 2]
    use = clouds.valid & (z > np.sin(MIN_ELEVATION_RAD))
    weight = disc_weights(z)
    return float((values * weight)[use].sum() / float(weight[use].sum()))


def cloud_brightness(radiance: NDArray[np.float32], clouds: CloudEstimate) -> tuple[float, float] | None:
    """Mean luminance of the brighter half and of the darkest tenth of the opaque cloud above 15 degrees.

    Parameters
    ----------
    radiance : ndarray, shape (N, N, 3), float32
        Calibrated sky disc.
    clouds : CloudEstimate

    Returns
    -------
    (lit, base) or None
        None where opaque cloud takes less than 1 % of the sky.
    """
    z = disc_directions(radiance.shape[0])[..., 2]
    high = clouds.valid & (z > np.sin(MIN_ELEVATION_RAD))
    opaque = high & (clouds.alpha > OPAQUE)
    weight = disc_weights(z[opaque].astype(np.float64))
    if weight.sum() < max(MIN_CLOUD_SHARE * float(disc_weights(z[high]).sum()), 1e-9):
        return None
    luminance = (radiance[opaque] @ REC709_LUMINANCE).astype(np.float64)
    order = np.argsort(luminance)
    luminance, weight = luminance[order], weight[order]
    rank = np.cumsum(weight) / weight.sum()
    lit, base = rank >= 0.5, rank <= max(0.1, float(rank[0]))
    return float(np.average(luminance[lit], weights=weight[lit])), float(
        np.average(luminance[base], weights=weight[base])
    )


def describe_sky(
    disc: NDArray[np.float32],
    sun: SunPosition | None,
    evidence: SkyEvidence,
    reason: str | None,
    clouds: CloudEstimate | None,
    calibration: Calibration | None,
) -> SkyState:
    """State of a sky from what was measured on its disc (N, N, 3), in the file's scale."""
    if clouds is None or calibration is None or reason in SUNLESS:
        seen = None if reason in SUNLESS else sun
        return SkyState(reason, evidence, seen, None, None, None, None, None, None, None)
    bright = cloud_brightness(calibration.apply(disc), clouds)
    return SkyState(
        reason,
        evidence,
        sun,
        cloud_cover(clouds),
        mean_opacity(clouds),
        clouds.overcast,
        calibration,
        None if clouds.overcast else texture_size_km(clouds.alpha, clouds.valid),
        None if bright is None else bright[0],
        None if bright is None else bright[1],
    )
