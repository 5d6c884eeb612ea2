"""The parts of the sky's disc: together they are the whole hemisphere, once, and a coarse disc gives its light."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from skygen_addon.core.geometry import FloatArray, direction_from_angles
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.frame.disc_light import NEAR_SUN, disc_parts
from skygen_addon.runtime.frame.draft import Draft
from skygen_addon.runtime.frame.frame import FrameRenderer

Requests = Callable[..., list[SkyRequest]]
SUNS = [(0.0, 90.0), (1.0, 60.0), (2.3, 20.0), (4.0, 1.0), (5.5, -4.0), (math.pi / 4, 0.0)]


def _sun(azimuth_rad: float, elevation_deg: float) -> FloatArray:
    return direction_from_angles(azimuth_rad, math.radians(elevation_deg)).astype(np.float32)


@pytest.mark.parametrize("azimuth_rad, elevation_deg", SUNS)
@pytest.mark.parametrize("size", [256, 128, 64, 8])
def test_a_uniform_sky_gives_pi(size: int, azimuth_rad: float, elevation_deg: float) -> None:
    """Within what a rim of square pixels allows: nothing is counted twice and nothing is left out."""
    parts = disc_parts(size, 256, _sun(azimuth_rad, elevation_deg))
    total = sum(float(part.weight.sum()) for part in parts)
    assert total == pytest.approx(math.pi, rel=0.02 if size == 8 else 0.002)


@pytest.mark.parametrize("azimuth_rad, elevation_deg", SUNS[:4])
def test_pixels_around_the_sun_are_those_of_the_whole_disc(azimuth_rad: float, elevation_deg: float) -> None:
    sun = _sun(azimuth_rad, elevation_deg)
    (whole,), (_, near) = disc_parts(256, 256, sun), disc_parts(64, 256, sun)
    assert near.side == whole.side
    flat, found = whole.direction.reshape(-1, 3), near.direction.reshape(-1, 3)
    places = {tuple(d): w for d, w in zip(flat.tolist(), whole.weight.ravel().tolist(), strict=True)}
    assert [places[tuple(d)] for d in found.tolist()] == near.weight.ravel().tolist()
    closest = np.argsort(-(flat @ sun))[:9]
    held = {tuple(d) for d in found.tolist()}
    assert all(tuple(flat[index].tolist()) in held for index in closest)
    assert len(near.weight) >= 2 * NEAR_SUN


@pytest.mark.parametrize("preset", ["fair_cumulus", "mackerel_sky"])
def test_the_ground_under_a_coarse_disc_is_nearly_as_bright(
    preset: str, sky_renderer: FrameRenderer, preset_requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clouds of frames on a still's disc, a quarter as wide: measured 0.1 and 1.8 %; without the sun's part 2.6 and
    1.6 %.
    """
    monkeypatch.setattr("skygen_addon.runtime.frame.frame.DRAFT_SHARE", 1)
    (request,) = preset_requests(preset, [24], 128)
    frame = sky_renderer.render(request)
    sky_renderer.memory.forget()
    exact = Draft(moment=lambda index, layer, nearby: layer, disc_share=4)
    draft = sky_renderer.render_still(request, draft=exact).radiance
    sky_renderer.memory.forget()
    ratio = float(draft[-8:].mean() / frame[-8:].mean())
    assert ratio == pytest.approx(1.0, abs=0.022)
