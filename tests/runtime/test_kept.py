"""What frames share is kept, and changes nothing; a draft shows the same sky."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.geometry import FloatArray, panorama_solid_angles
from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.clouds.cloud_field import CloudVolume
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.kept import Kept

Requests = Callable[..., list[SkyRequest]]


def test_a_value_is_made_once_for_a_key() -> None:
    made: list[str] = []
    kept: Kept[str] = Kept()

    def value(key: str) -> str:
        def make() -> str:
            made.append(key)
            return key.upper()

        return kept.get(key, make)

    assert [value(key) for key in ("a", "a", "b", "a")] == ["A", "A", "B", "A"]
    assert made == ["a", "b", "a"]


def test_a_value_that_cannot_be_made_leaves_the_older_one() -> None:
    kept: Kept[int] = Kept()
    kept.get("a", lambda: 1)
    with pytest.raises(ZeroDivisionError):
        kept.get("b", lambda: 1 // 0)
    assert kept.get("a", lambda: 2) == 1


def _numbered_volume(offset_km: tuple[float, float]) -> CloudVolume:
    """Windows of 128 texels of 25 m; a texel holds its place on the lattice in metres, east plus 10,000 north."""
    windows = []
    for level in range(3):
        axis = (np.arange(128) - 63.5) * 25.0 * 4**level
        windows.append(np.repeat((axis[None, :] - 10_000 * axis[:, None])[None], 2, axis=0))
    return CloudVolume(np.stack(windows).astype(np.float64), np.asarray(offset_km), 0.025, 4, np.eye(2))  # type: ignore[arg-type]


@pytest.mark.parametrize("offset_km", [(0.0, 0.0), (0.79, -0.31), (-0.5, 0.8)])
def test_windows_around_the_camera_show_the_same_places(offset_km: tuple[float, float]) -> None:
    """Every texel's place relative to the camera is what it was; the camera stands within half a coarse texel."""
    whole = _numbered_volume(offset_km)
    part = whole.around_camera(64)
    assert part.extinction_per_thickness.shape == (3, 2, 64, 64)
    assert np.abs(part.plane_offset_km).max() <= 8 * 0.025 + 1e-9
    moved_m = (whole.plane_offset_km - part.plane_offset_km) * 1000  # of the windows' centre, east and north
    for level in range(3):
        axis = (np.arange(64) - 31.5) * 25.0 * 4**level
        expected = (axis[None, :] + moved_m[0]) + 10_000 * (moved_m[1] - axis[:, None])
        np.testing.assert_allclose(part.extinction_per_thickness[level, 0], expected, rtol=1e-6, atol=1e-2)


def test_a_camera_far_off_the_centre_is_refused() -> None:
    with pytest.raises(ValueError, match="inside"):
        _numbered_volume((1.2, 0.0)).around_camera(64)


@pytest.fixture(scope="module")
def cloudy(preset_requests: Requests) -> SkyRequest:
    return preset_requests("fair_cumulus", [30], 128)[0]


CHANGES: dict[str, dict[str, Any]] = {
    "width": {"width": 192},
    "disc": {"sun_disc": False},
    "exposure": {"exposure_ev": 1.5},
    "balance": {"white_balance_k": 8000.0, "white_balance_tint": -12.0},
    "haze": {"haze": 3.0},
    "sun": {"sun_elevation_rad": math.radians(20)},
    "density": {"low": LayerRequest(cover=0.5, density=3.0)},
    "seed": {"seed": 8},
}


def test_what_is_kept_changes_nothing(shipped_bundle: Path, cloudy: SkyRequest) -> None:
    """One change after another in one renderer, each frame as a renderer makes it that has seen nothing before."""
    used, request = FrameRenderer(shipped_bundle, 2), cloudy
    used.render(request)
    for what, change in CHANGES.items():
        request = replace(request, **change)
        if what in ("exposure", "balance", "sun", "seed"):
            fresh = FrameRenderer(shipped_bundle, 2).render(request)
            np.testing.assert_array_equal(used.render(request), fresh, err_msg=what)
        else:
            used.render(request)


def _smooth(panorama: FloatArray) -> FloatArray:
    """Luminance of the upper hemisphere in blocks of 8 x 8 pixels."""
    upper = panorama[: panorama.shape[0] // 2].mean(-1)
    rows, columns = upper.shape
    blocks: FloatArray = upper.reshape(rows // 8, 8, columns // 8, 8).mean((1, 3))
    return blocks


@pytest.mark.parametrize("preset", ["fair_cumulus", "overcast"])
def test_a_draft_is_the_same_sky(sky_renderer: FrameRenderer, preset_requests: Requests, preset: str) -> None:
    """Over 8 x 8 pixels within 12 % RMS, its light on the ground within 3 %; a draft leaves later frames alone."""
    request = replace(preset_requests(preset, [30], 128)[0], sun_disc=False)
    before = sky_renderer.render(request)
    draft = sky_renderer.render_draft(request).radiance
    assert not np.array_equal(draft, before)
    ratio = np.log(_smooth(draft) / _smooth(before))
    assert float(np.sqrt(np.square(ratio).mean())) < 0.12
    rows = np.arange(32)
    weight = (panorama_solid_angles(128)[:32] * np.cos((rows + 0.5) * np.pi / 64))[:, None, None]
    assert (draft[:32] * weight).sum() == pytest.approx((before[:32] * weight).sum(), rel=0.03)
    np.testing.assert_array_equal(sky_renderer.render(request), before)
