"""The same sky at every resolution: the sun's irradiance, averaged frames, and the peak in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from skygen_addon.core.air import Air
from skygen_addon.core.atmosphere import clear_sky
from skygen_addon.core.geometry import FloatArray, direction_from_angles, panorama_directions
from skygen_addon.core.request import HIGH_LAYER, LOW_LAYER, LayerRequest, SkyRequest
from skygen_addon.runtime.exr import HALF_MAX, read_exr, write_exr

Sky = Callable[[SkyRequest], FloatArray]
Requests = Callable[..., list[SkyRequest]]

CLEAR = SkyRequest(
    low=replace(LOW_LAYER, cover=0.0), high=replace(HIGH_LAYER, cover=0.0), sun_azimuth_rad=0.7, sun_elevation_rad=1.0
)


def solid_angles(width: int) -> NDArray[np.float64]:
    """Steradians (H, 1) of the pixels of each row."""
    edges = np.pi / 2 - np.arange(width // 2 + 1) * (2 * np.pi / width)
    angles: NDArray[np.float64] = ((np.sin(edges[:-1]) - np.sin(edges[1:])) * (2 * np.pi / width))[:, None]
    return angles


def sun_irradiance(panorama: FloatArray, request: SkyRequest) -> NDArray[np.float64]:
    """Irradiance (3,) on a plane facing the sun of what stands out within 2 degrees above the ring around it."""
    width = panorama.shape[1]
    first, last = (int((0.5 - (request.sun_elevation_rad + s) / np.pi) * width / 2) for s in (0.07, -0.07))
    sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
    angle = np.degrees(np.arccos(np.clip(panorama_directions(width, first, last) @ sun, -1, 1)))
    weight = np.broadcast_to(solid_angles(width)[first:last], angle.shape)
    band, ring = panorama[first:last].astype(np.float64), (angle > 2) & (angle < 3)
    around = np.average(band[ring], axis=0, weights=weight[ring])
    irradiance: NDArray[np.float64] = ((band - around) * weight[..., None])[angle < 2].sum(0)
    return irradiance


def test_the_sun_is_as_strong_at_every_width(sky: Sky) -> None:
    """At 512, where the disc is smaller than a pixel, and at 4096, where it covers 30: what the air lets through.

    Measured: 1e-5 between the widths; the rest of the bound is the aureole inside two degrees.
    """
    asked = clear_sky(CLEAR.sun_elevation_rad, Air(haze=CLEAR.haze, ground_albedo=CLEAR.ground_albedo)).sun_irradiance
    found = [sun_irradiance(sky(r), r) for r in (replace(CLEAR, width=512), replace(CLEAR, width=4096))]
    np.testing.assert_allclose(found[1], found[0], rtol=0.01)
    np.testing.assert_allclose(found[1], asked, rtol=0.01)


def averaged(panorama: FloatArray, factor: int) -> FloatArray:
    """Panorama averaged factor x factor."""
    height, width, channels = panorama.shape
    return panorama.reshape(height // factor, factor, width // factor, factor, channels).mean((1, 3))


RMS_BOUND = {"high_cirrus": 0.02, "broken_clouds": 0.07}
"""Bound on the relative RMS difference beyond 12 degrees from the sun."""
WHOLE_BOUND = {"high_cirrus": 0.15, "broken_clouds": 0.3}
"""Bound on that of the whole sky: what thin clouds diffract lies in some four pixels of a small frame."""


@pytest.mark.parametrize("preset", sorted(RMS_BOUND))
def test_a_large_frame_averages_to_the_small_one(preset: str, sky: Sky, preset_requests: Requests) -> None:
    """Relative RMS difference above the horizon between 2048 averaged 4 x 4 and 512, and of their means.

    A small frame takes one sample per pixel and leaves out detail that it cannot show; most of the
    squared difference lies in the few pixels of bright cloud edges beside the sun, so it is stated
    with and without them.
    Measured beyond 12 degrees (everywhere): high_cirrus 0.004 (0.07); broken_clouds, whose sun stands at the edge of a
    cloud, 0.044 (0.15). Means differ by 0.3 % at most. For 1024 on 256: 0.011 (0.14), 0.085 (0.66) and 2.2 %.
    """
    small, large = (preset_requests(preset, [1], width, sun_disc=False)[0] for width in (512, 2048))
    coarse, fine = sky(small)[:128], averaged(sky(large), 4)[:128]
    weight = np.broadcast_to(solid_angles(512)[:128, :, None], coarse.shape)
    sun = direction_from_angles(small.sun_azimuth_rad, small.sun_elevation_rad)
    away = panorama_directions(512, 0, 128) @ sun < np.cos(np.radians(12.0))

    def rms(where: NDArray[np.bool_]) -> float:
        squared = np.average((fine - coarse)[where] ** 2, weights=weight[where])
        return float(np.sqrt(squared / np.average(coarse[where] ** 2, weights=weight[where])))

    assert rms(away) < RMS_BOUND[preset]
    assert rms(np.ones_like(away)) < WHOLE_BOUND[preset]
    assert (weight * fine).sum() == pytest.approx((weight * coarse).sum(), rel=0.01)


def test_a_frame_keeps_its_peak_in_the_file(sky: Sky, tmp_path: Path) -> None:
    """A sun beyond the largest half float makes ``auto`` write floats that read back as they were."""
    request = replace(CLEAR, width=1024, exposure_ev=3.0)
    panorama = sky(request)
    assert panorama.max() > HALF_MAX
    assert write_exr(tmp_path / "bright.exr", panorama) is False
    np.testing.assert_array_equal(read_exr(tmp_path / "bright.exr").radiance, panorama)


def test_half_floats_keep_sun_and_sky(sky: Sky, tmp_path: Path) -> None:
    """While the peak fits, halves hold every value within their rounding of 2^-11."""
    panorama = sky(replace(CLEAR, width=512))
    assert panorama.max() < HALF_MAX
    assert write_exr(tmp_path / "noon.exr", panorama) is True
    np.testing.assert_allclose(read_exr(tmp_path / "noon.exr").radiance, panorama, rtol=2.0**-11)


def test_preview_and_bake_share_their_clouds(sky: Sky) -> None:
    """Clouds stand where they stood: frames of 128 and 512 pixels correlate pixel by pixel after averaging.

    In the logarithm, or the one pixel with the sun behind it would decide. Measured: 0.981; 0.945 for 64 and 256.
    """
    layer = LayerRequest(
        cover=0.5, type_mix=(0.0, 0.0, 1.0, 0.0, 0.0, 0.0), base_km=5.0, thickness_km=0.4, texture_scale=3.0
    )
    requests = [replace(CLEAR, high=layer, width=width, sun_disc=False) for width in (128, 512)]
    small, large = sky(requests[0])[:28], averaged(sky(requests[1]), 4)[:28]
    assert np.corrcoef(np.log(small).ravel(), np.log(large).ravel())[0, 1] > 0.96
