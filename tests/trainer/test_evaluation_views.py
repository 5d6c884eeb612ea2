"""Views for the judge: where they look, and that exposure, turn and resolution do not change them."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.core.geometry import disc_directions, panorama_directions
from trainer.evaluation.judging.views import (
    MIDDLE_LUMINANCE,
    VIEW_PITCH_RAD,
    median_luminance,
    obstructed_share,
    scaled,
    sky_views,
    tone_curve,
    view_directions,
)
from trainer.evaluation.skies.sources import panorama_of_disc


def smooth_sky(width: int, turn_rad: float = 0.0) -> np.ndarray:
    """A smooth sky that differs in all directions, turned clockwise."""
    d = panorama_directions(width).astype(np.float64)
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    x, y, z = d[..., 0] * c - d[..., 1] * s, d[..., 0] * s + d[..., 1] * c, d[..., 2]
    return np.stack([1 + 0.5 * x, 1 + 0.4 * y * z, 1.2 + 0.3 * x * y], axis=-1).astype(np.float32)


def test_views_look_up_by_58_degrees_and_stand_45_degrees_apart() -> None:
    d = view_directions()
    assert np.allclose(np.linalg.norm(d, axis=-1), 1)
    middle = d[:, 63:65, 63:65].mean(axis=(1, 2))
    middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
    assert np.allclose(middle[:, 2], np.sin(VIEW_PITCH_RAD), atol=1e-3)  # four pixels about the centre
    azimuth = np.rad2deg(np.arctan2(middle[:, 0], middle[:, 1])) % 360
    assert np.allclose((azimuth + 22.5) % 360 - 22.5, np.arange(8) * 45, atol=1e-6)
    corner = np.arccos(d[0, 0, 0] @ d[0, -1, -1])
    # half the diagonal of a square of 75 degrees: tan(37.5) sqrt(2), less half a pixel at both ends
    assert corner == pytest.approx(2 * np.arctan(np.tan(np.deg2rad(37.5)) * np.sqrt(2) * 127 / 128), abs=1e-6)
    assert d[0, 0, 64, 2] > d[0, -1, 64, 2]  # row 0 is the top
    assert np.rad2deg(np.arcsin(d[..., 2].min())) > 10  # no view shows the horizon
    east_of_north = d[0, 64, -1]
    assert east_of_north[0] > 0  # the right side of the view to the north is east


def test_exposure_does_not_matter() -> None:
    sky = smooth_sky(512)
    assert np.allclose(sky_views(sky * np.float32(37.0)), sky_views(sky), atol=1e-5)
    assert median_luminance(scaled(sky * np.float32(0.02))) == pytest.approx(MIDDLE_LUMINANCE, rel=1e-5)


def test_a_turn_by_45_degrees_moves_every_view_on() -> None:
    """A view's width is 8 / 512 of the panorama; bilinear reads of a smooth sky differ by less than 0.002."""
    one, turned = sky_views(smooth_sky(512)), sky_views(smooth_sky(512, np.pi / 4))
    assert np.allclose(np.roll(one, 1, axis=0), turned, atol=2e-3)


def test_a_finer_panorama_shows_the_same() -> None:
    assert np.allclose(sky_views(smooth_sky(512)), sky_views(smooth_sky(2048)), atol=2e-3)


def test_the_tone_curve_is_linear_in_stops() -> None:
    stops = np.array([-5, -3.5, -1.75, 0, 1.75, 3.5, 9])
    assert tone_curve(MIDDLE_LUMINANCE * 2.0**stops) == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1], abs=1e-6)
    assert tone_curve(np.zeros(1))[0] == 0


def test_the_median_is_by_solid_angle() -> None:
    """A cap of 40 % of the hemisphere's solid angle holds more than half of its pixels."""
    d = panorama_directions(256)
    sky = np.where(d[..., 2:] > 0.6, 5.0, 1.0).astype(np.float32).repeat(3, axis=-1)
    assert (sky[:64] > 2).mean() > 0.5
    assert median_luminance(sky) == pytest.approx(1.0)


def test_a_black_panorama_is_refused() -> None:
    with pytest.raises(ValueError, match="black"):
        sky_views(np.zeros((64, 128, 3), np.float32))


def test_obstacles_are_counted_in_the_views_that_show_them() -> None:
    """Everything more than 15 degrees east of the north-south plane is hidden; to a disc's pixel, 1 % of a view."""
    east = np.sin(np.deg2rad(15.0))
    share = obstructed_share(disc_directions(320)[..., 0] < east)
    assert share == pytest.approx((view_directions()[..., 0] >= east).mean(axis=(1, 2)), abs=0.01)
    assert share[2] > 0.6 and share[6] == 0
    assert (obstructed_share(np.ones((320, 320), dtype=bool)) == 0).all()


def test_a_disc_becomes_the_panorama_of_the_same_sky() -> None:
    """The disc's pixels are as large as the panorama's; bilinear reads of a smooth sky stay within 1 %."""
    d = disc_directions(512).astype(np.float64)
    disc = np.stack([1 + 0.5 * d[..., 0], 1 + 0.4 * d[..., 1] * d[..., 2], 1.2 + 0.3 * d[..., 0] * d[..., 1]], -1)
    panorama = panorama_of_disc(disc.astype(np.float32), 512)
    assert np.allclose(panorama[:126], smooth_sky(512)[:126], rtol=0.01)
