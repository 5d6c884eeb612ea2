"""Whole frames whose answer is known without the engine: uniform light, turned and mirrored skies, loops, extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.air import Air
from skygen_addon.core.atmosphere import SKY_VIEW_SHAPE, ClearSky, clear_sky
from skygen_addon.core.geometry import FloatArray, panorama_directions, panorama_solid_angles
from skygen_addon.core.request import HIGH_LAYER, LOW_LAYER, LayerRequest, SkyRequest
from skygen_addon.runtime.clouds.cloud_field import CloudField, CloudVolume
from skygen_addon.runtime.frame import frame
from skygen_addon.runtime.frame.frame import FrameRenderer

Requests = Callable[..., list[SkyRequest]]
Volume = Callable[..., CloudVolume]

CLEAR = SkyRequest(width=64, low=replace(LOW_LAYER, cover=0.0), high=replace(HIGH_LAYER, cover=0.0))
RIPPLES = LayerRequest(
    cover=0.6, type_mix=(0.0, 0.0, 1.0, 0.0, 0.0, 0.0), base_km=5.0, thickness_km=0.4, displacement_km=(0.31, -0.52)
)
RIPPLED = replace(CLEAR, high=RIPPLES)
OVERCAST = LayerRequest(cover=1.0, type_mix=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0), base_km=3.0, thickness_km=0.6)


@pytest.fixture(scope="module")
def plain(shipped_bundle: Path) -> FrameRenderer:
    """A renderer without learned correction and detail tile, neither of which turns with the sky."""
    return FrameRenderer(shipped_bundle, 1, correction=False, detail=False)


@pytest.fixture(scope="module")
def made_once() -> Volume:
    """``CloudField.volume``; what several frames share is made once."""
    return lru_cache(maxsize=2)(CloudField.volume)


@pytest.fixture
def lit_once(made_once: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of one test share their layers' light and the rays through them: most of their cost."""

    def kept(function: Callable[..., Any]) -> Callable[..., Any]:
        results: dict[tuple[Any, ...], tuple[Any, Any]] = {}

        def call(*args: Any, **named: Any) -> Any:
            values = (*args, *named.values())
            key = tuple(
                v.tobytes() if isinstance(v, np.ndarray) else v if isinstance(v, float | int) else id(v) for v in values
            )
            if key not in results:
                results[key] = function(*args, **named), values  # kept alive, so that no id stands for another
            return results[key][0]

        return call

    monkeypatch.setattr(CloudField, "volume", lambda *args, **settings: made_once(*args, **settings))
    monkeypatch.setattr(frame, "layer_light", kept(frame.layer_light))
    monkeypatch.setattr(frame, "layer_dome", kept(frame.layer_dome))


def azimuth_rad(edge: float, width: int) -> float:
    """Clockwise from north of the left edge of one of a panorama's columns; of its middle with half more."""
    return 2 * math.pi * (edge / width - 0.25)


def mirrored(panorama: FloatArray, edge: float) -> FloatArray:
    """The panorama in a vertical mirror that stands at the left edge of a column, or with half more in its middle."""
    return np.roll(panorama[:, ::-1], round(2 * edge), axis=1)


def uniform_sky(sun_elevation_rad: float, air: Air) -> ClearSky:
    """In place of ``clear_sky``: radiance 1 from everywhere, no sun, and next to no air in front of clouds."""
    one = np.ones(3, dtype=np.float32)
    high_air = np.array([[1e-6, 1e-6, 1e-6, 1e5], [0.0, 0.0, 0.0, 1e5]], dtype=np.float32)
    table, ambient = np.ones((*SKY_VIEW_SHAPE, 3), dtype=np.float32), np.ones((6, 3), dtype=np.float32)
    parts = np.concatenate([table, 0 * table], axis=-1)
    return ClearSky(air, sun_elevation_rad, table, parts, 0 * one, math.pi * one, one, high_air, ambient)


def test_in_uniform_light_clouds_vanish_and_the_ground_receives_pi(
    plain: FrameRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The white furnace for a whole frame: in radiance 1 from everywhere two layers over white ground cannot be seen.

    The ground is as bright only if the engine's own quadrature of its sky, clouds included, gives pi.
    5e-4: of the air's light as much comes from in front of the farthest clouds, 300 km of 1e5.
    """
    monkeypatch.setattr(frame, "clear_sky", uniform_sky)
    rows = panorama_solid_angles(64)[:16, None] * panorama_directions(64, 0, 16)[..., 2]
    weight = rows[..., None] * math.cos(math.pi / 64)  # a row's mean sine is that of its middle times this
    night = replace(RIPPLED, sun_elevation_rad=-math.pi / 2, ground_albedo=(1.0, 1.0, 1.0))
    for request in (replace(night, high=CLEAR.high), replace(night, low=replace(LOW_LAYER, cover=0.5))):
        panorama = plain.render(request)
        np.testing.assert_allclose(panorama, 1.0, atol=5e-4)
        np.testing.assert_allclose((panorama[:16] * weight).sum((0, 1)), math.pi, rtol=5e-4)


@pytest.mark.parametrize(("elevation_deg", "edge"), [(40.0, 40), (0.0, 40), (-3.0, 40), (30.0, 40.5)])
def test_a_clear_sky_turns_with_the_sun_and_mirrors_itself(
    elevation_deg: float, edge: float, sky_renderer: FrameRenderer
) -> None:
    """Exact for turns by whole columns, and for the mirror in the sun's plane, between two columns or on one.

    Where it lies on one, pixels look exactly opposite the sun's azimuth.

    Bound: single precision, above all that of the sum over the sky that lights the ground.
    """
    request = replace(CLEAR, width=128, haze=2.0, sun_elevation_rad=math.radians(elevation_deg))
    start = sky_renderer.render(replace(request, sun_azimuth_rad=azimuth_rad(edge, 128)))
    np.testing.assert_allclose(start, mirrored(start, edge), rtol=1e-4)
    for columns in (32, 45):
        turned = sky_renderer.render(replace(request, sun_azimuth_rad=azimuth_rad(edge + columns, 128)))
        np.testing.assert_allclose(turned, np.roll(start, columns, axis=1), rtol=1e-4)


def slab(field: CloudField, layer: LayerRequest, seed: int, index: int, grain: float, shells: int, **_: Any) -> Any:
    """In place of ``CloudField.volume``: the same extinction everywhere, the camera in the middle of its windows."""
    return CloudVolume(np.full((3, shells, 512, 512), 2.0, np.float32), np.zeros(2), 0.025, 4, np.eye(2))


def test_a_uniform_layer_turns_with_the_sun(plain: FrameRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the sun turns, so what could stay behind are the square windows in which a layer is lit.

    A quarter turn and a mirror leave squares as they are: single precision. Any other turn shows how far
    the light of two windows differs where they meet; measured: 1.7 %.
    """
    monkeypatch.setattr(CloudField, "volume", slab)
    request = replace(RIPPLED, sun_disc=False)
    start = plain.render(replace(request, sun_azimuth_rad=azimuth_rad(16, 64)))
    np.testing.assert_allclose(start, mirrored(start, 16), rtol=1e-4)
    for columns, bound in ((16, 1e-4), (11, 0.03)):
        turned = plain.render(replace(request, sun_azimuth_rad=azimuth_rad(16 + columns, 64)))
        np.testing.assert_allclose(turned, np.roll(start, columns, axis=1), rtol=bound)


def test_clouds_that_turn_with_the_sun_turn_the_picture(
    plain: FrameRenderer, made_once: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped field's clouds, off the middle of their windows: turned by a quarter, and mirrored east to west.

    Hashed noise has no symmetry, so the volume itself is turned. Bound: single precision at sharp
    outlines; measured: 2e-4 at most.
    """

    def turned(*args: Any, **settings: Any) -> CloudVolume:
        volume = made_once(*args, **settings)
        east, north = volume.plane_offset_km
        clockwise = np.rot90(volume.extinction_per_thickness, -1, (2, 3))
        return replace(volume, extinction_per_thickness=clockwise, plane_offset_km=np.array([north, -east]))

    def flipped(*args: Any, **settings: Any) -> CloudVolume:
        volume = made_once(*args, **settings)
        east, north = volume.plane_offset_km
        eastward = volume.extinction_per_thickness[..., ::-1]
        return replace(volume, extinction_per_thickness=eastward, plane_offset_km=np.array([-east, north]))

    pictures = []
    for made, azimuth in ((made_once, 0.4), (turned, 0.4 + math.pi / 2), (flipped, -0.4)):
        monkeypatch.setattr(CloudField, "volume", lambda *args, made=made, **settings: made(*args, **settings))
        pictures.append(plain.render(replace(RIPPLED, sun_azimuth_rad=azimuth)))
    there, quarter, mirror = pictures
    assert np.abs(mirrored(there, 16) / there - 1).max() > 0.5  # a cloudy sky is not its own mirror image
    np.testing.assert_allclose(quarter, np.roll(there, 16, axis=1), rtol=1e-3)
    np.testing.assert_allclose(mirror, mirrored(there, 16), rtol=1e-3)


@pytest.mark.parametrize("cover", [0.0, 1.0])
def test_the_discs_light_is_the_same_at_every_width(cover: float, sky_renderer: FrameRenderer, lit_once: None) -> None:
    """All that the disc adds to a frame, integrated over its pixels; single precision.

    Without clouds it is what the air lets through; a thin cover lets a part of that through, the same of every colour.
    """
    thin = replace(RIPPLED, high=replace(RIPPLES, cover=cover, density=0.05), sun_elevation_rad=1.0)
    found = []
    for width in (64, 256):
        with_disc, without = (sky_renderer.render(replace(thin, width=width, sun_disc=d)) for d in (True, False))
        added = with_disc.astype(np.float64) - without
        found.append((added * panorama_solid_angles(width)[:, None, None]).sum((0, 1)))
    share = found[0] / clear_sky(1.0, Air(haze=thin.haze, ground_albedo=thin.ground_albedo)).sun_irradiance
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(share, share[0], rtol=1e-5)
    assert share[0] == pytest.approx(1.0, rel=1e-5) if cover == 0 else 0.02 < share[0] < 0.98


def test_total_overcast_hides_the_disc_completely(sky_renderer: FrameRenderer, lit_once: None) -> None:
    """Straight up a full cover of stratus has an optical depth of 16 or more, through which comes 1e-7 of the disc."""
    request = replace(CLEAR, sun_elevation_rad=1.3, sun_azimuth_rad=2.0)
    overcast = replace(request, high=OVERCAST)
    hidden, open_disc = (
        sky_renderer.render(sky) - sky_renderer.render(replace(sky, sun_disc=False)) for sky in (overcast, request)
    )
    assert open_disc.max() > 10
    assert 0 <= hidden.min() and hidden.max() < 1e-6 * open_disc.max()


def test_below_a_closed_layer_nothing_of_the_low_suns_horizon_shows(sky_renderer: FrameRenderer) -> None:
    """Thick air shows what surrounds it: the layer above and a darker ground, from all sides alike."""
    closed = replace(OVERCAST, base_km=0.6)
    request = replace(CLEAR, low=closed, sun_elevation_rad=math.radians(5.0), sun_azimuth_rad=azimuth_rad(0, 64))
    panorama = sky_renderer.render(request)
    horizon, overhead = panorama[14:16].mean(0), panorama[:6].mean((0, 1))  # the last 11 degrees, and above 55
    assert horizon.max() < 1.05 * overhead.max()  # with the clear horizon's light three times brighter
    warmth = horizon.mean(0) / overhead
    assert warmth[0] / warmth[2] < 1.15  # no warmer than the layer; the clear horizon's red was three times its blue


def test_the_glow_of_a_low_sun_in_haze_does_not_reach_the_cameras_feet(plain: FrameRenderer) -> None:
    """Air before the ground is lit by its angle to the sun: it differs around the horizon, but not straight down."""
    hazy = replace(CLEAR, width=128, haze=1.0, sun_elevation_rad=math.radians(3), sun_azimuth_rad=0.0, sun_disc=False)
    below = plain.render(hazy)[32:].sum(-1)
    spread = below.max(1) / below.min(1)
    assert spread[0] > 5 and (np.diff(spread) < 1e-3).all()
    assert spread[-1] < 1.01 and spread[16] < 1.1  # straight down, and 45 degrees below the horizon


def test_a_loop_runs_through_its_joint(sky_renderer: FrameRenderer, preset_requests: Requests) -> None:
    """Frame N is frame 0 bit for bit, and the frame before it shows the same clouds one step upwind, without a loop.

    Of the noise with which the loop began the last of 240 frames still holds sin(pi / 480) = 0.0065.
    """
    ripples = {
        "cover": 0.5, "types": {"altocumulus": 1.0}, "base_km": 5.0, "thickness_km": 0.4, "texture_scale": 1.0,
        "stretch": 1.0, "wind_speed_m_s": 30.0, "wind_toward_deg": 70.0, "evolution_per_hour": 1.0,
    }  # fmt: skip
    start, second, last, again = preset_requests(
        "clear_noon", [1, 2, 240, 241], 64, loop_frames=240, low={"cover": 0.0}, high=ripples, weather_strength=1.0
    )
    upwind = replace(
        last.high, displacement_km=last.high.loop_displacement_km, evolution_phase=last.high.loop_evolution_phase
    )
    steps = np.diff([upwind.displacement_km, start.high.displacement_km, second.high.displacement_km], axis=0)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-6)  # sums of 240 steps
    first, end = sky_renderer.render(start), sky_renderer.render(last)
    before = sky_renderer.render(replace(last, high=upwind, loop_angle_rad=0.0, time_s=last.loop_weather_time_s))
    assert np.abs(end - before).mean() < 0.1 * np.abs(end - first).mean()
    np.testing.assert_array_equal(sky_renderer.render(again), first)


def bent_directions(width: int, row_start: int = 0, row_stop: int | None = None, row_substeps: int = 1) -> FloatArray:
    """In place of ``panorama_directions``: the first and the last row look straight up and down, the middle level."""
    directions = panorama_directions(width, row_start, row_stop, row_substeps)
    if row_start == 0:
        directions[0] *= (0.0, 0.0, 1.0)
    if row_stop == width // 4:
        directions[-1, :, 2] = 0.0
    if row_stop == width // 2:
        directions[-1] *= (0.0, 0.0, 1.0)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


@pytest.mark.parametrize("elevation_deg", [90.0, 0.0, -8.0, -30.0, -90.0])
def test_no_sun_and_no_direction_breaks_a_frame(
    elevation_deg: float, sky_renderer: FrameRenderer, lit_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clear and cloudy, without haze and in the thickest, seen at the zenith, the horizon and the nadir too."""
    monkeypatch.setattr(frame, "panorama_directions", bent_directions)
    for request in (CLEAR, RIPPLED):
        for haze in (0.0, 20.0):
            panorama = sky_renderer.render(replace(request, haze=haze, sun_elevation_rad=math.radians(elevation_deg)))
            assert np.isfinite(panorama).all() and panorama.min() >= 0
            lit = elevation_deg > -18  # after dusk there is no light: moon and stars are not drawn
            assert panorama.min() > 0 if lit else panorama.max() < 1e-6
