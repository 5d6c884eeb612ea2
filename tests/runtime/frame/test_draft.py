"""Drafts: clouds of a moment close by, carried exactly; few volumes for many frames; a function of the request."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skygen_addon.core.controls import SkyControls
from skygen_addon.core.geometry import FloatArray, direction_from_angles
from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.clouds.layers import LayerLight, layer_dome, layer_light
from skygen_addon.runtime.command.bench import measure_drafts
from skygen_addon.runtime.frame.draft import EVOLUTION_STEP, WIND_TEXELS, carried, moment_nearby
from skygen_addon.runtime.frame.frame import FrameRenderer

Requests = Callable[..., list[SkyRequest]]
TEXEL_KM = 0.025
FAR = st.floats(-1e9, 1e9)


@given(FAR, FAR, FAR, st.floats(0.25, 4.0), st.booleans())
def test_the_nearby_moment_is_near_and_on_the_raster(
    east: float, north: float, phase: float, scale: float, in_loop: bool
) -> None:
    """At most half a step away in everything; the loop state keeps its distance; again it is the same moment."""
    layer = LayerRequest(
        displacement_km=(east, north), evolution_phase=phase, texture_scale=scale, loop_displacement_km=(3.0, -7.0)
    )
    near = moment_nearby(layer, TEXEL_KM, in_loop=in_loop)
    rounding = 1e-6 + 1e-15 * abs(1e9)
    for there, here in zip(near.displacement_km, layer.displacement_km, strict=True):
        assert abs(there - here) <= 0.5 * WIND_TEXELS * TEXEL_KM * scale + rounding
    assert abs(near.evolution_phase - phase) <= 0.5 * EVOLUTION_STEP + rounding
    if in_loop:
        for axis in (0, 1):
            before = layer.loop_displacement_km[axis] - layer.displacement_km[axis]
            assert near.loop_displacement_km[axis] - near.displacement_km[axis] == pytest.approx(before, abs=1e-6)
    else:
        assert near.loop_displacement_km == (0.0, 0.0)
        assert moment_nearby(near, TEXEL_KM, in_loop=False) == near


@pytest.fixture(scope="module")
def light(sky_renderer: FrameRenderer) -> Callable[[LayerRequest], LayerLight]:
    sun = direction_from_angles(0.6, 0.8).astype(np.float32)

    def make(layer: LayerRequest) -> LayerLight:
        made = layer_light(
            sky_renderer._field,
            sky_renderer._sunlight,
            layer,
            index=0,
            seed=7,
            grain=0.0,
            loop_angle_rad=0.0,
            sun_direction=sun,
        )
        assert made is not None
        return made

    return make


def _seen(renderer: FrameRenderer, light: LayerLight) -> FloatArray:
    """exp(-view depth) all around, 25 to 70 degrees up."""
    rows = [[direction_from_angles(math.radians(a), math.radians(e)) for a in range(0, 360, 2)] for e in (25, 40, 70)]
    direction, sun = np.array(rows, dtype=np.float32), direction_from_angles(0.6, 0.8).astype(np.float32)
    depth = layer_dome(renderer._dome, light, direction, footprint_rad=0.006, substeps=6, sun_direction=sun)[0]
    seen: FloatArray = np.exp(-depth)
    return seen


def test_carried_clouds_are_where_the_wind_has_them(
    sky_renderer: FrameRenderer, light: Callable[[LayerRequest], LayerLight]
) -> None:
    """Against clouds made at that very place: the lattice moves whole, so only window borders differ."""
    asked = LayerRequest(cover=0.45, displacement_km=(0.15, -0.17), stretch=1.5, stretch_azimuth_rad=0.4)
    near = moment_nearby(asked, TEXEL_KM, in_loop=False)
    assert near.displacement_km == (0.0, 0.0)
    made_there = light(near)
    exact, moved, still = (
        _seen(sky_renderer, one) for one in (light(asked), carried(made_there, near, asked), made_there)
    )
    assert float(np.abs(moved - exact).mean()) < 0.004
    assert float(np.abs(still - exact).mean()) > 0.03


def test_frames_of_a_film_share_their_clouds(
    shipped_bundle: Path, preset_requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight frames, 20 sky seconds: one volume, or two where the raster's border is crossed; every picture differs."""
    renderer, made = FrameRenderer(shipped_bundle, 2), []
    assert renderer._field._draft is not None
    lattice, graph = renderer._field._draft

    def counted(**inputs: Any) -> list[FloatArray]:
        made.append(1)
        return graph(**inputs)

    monkeypatch.setattr(renderer._field, "_draft", (lattice, counted))
    requests = preset_requests("fair_cumulus", list(range(30, 38)), 64)
    assert all(request.high.cover == 0 for request in requests)
    pictures = [renderer.render_draft(request).radiance for request in requests]
    assert 1 <= len(made) <= 3
    assert all(not np.array_equal(a, b) for a, b in zip(pictures, pictures[1:], strict=False))
    alone = FrameRenderer(shipped_bundle, 1).render_draft(requests[5]).radiance
    np.testing.assert_array_equal(alone, pictures[5])


def test_a_draft_of_a_loop_is_drawn(sky_renderer: FrameRenderer, preset_requests: Requests) -> None:
    request = preset_requests("fair_cumulus", [20], 64, loop_frames=48)[0]
    assert request.loop_angle_rad > 0
    draft, whole = sky_renderer.render_draft(request).radiance, sky_renderer.render(replace(request))
    assert np.isfinite(draft).all()
    assert draft[:32].mean() == pytest.approx(whole[:32].mean(), rel=0.1)


def test_the_bench_times_drafts_of_a_film_of_suns_and_of_clouds() -> None:
    """Requests one after another differ in nothing else; the first of each series warms up and does not count."""
    asked: list[SkyRequest] = []

    class Drafting:
        bundle = None

        def render_draft(self, request: SkyRequest) -> None:
            asked.append(request)

    assert measure_drafts(object(), SkyControls()) is None  # type: ignore[arg-type]
    times = measure_drafts(Drafting(), SkyControls(), repeat=3)  # type: ignore[arg-type]
    assert times is not None and min(times.next_frame_s, times.sun_s, times.clouds_s) >= 0
    film, suns, clouds = asked[:4], asked[4:8], asked[8:]
    assert len(clouds) == 4 and {request.width for request in asked} == {256}
    assert np.diff([request.time_s for request in film]) == pytest.approx(SkyControls().time_scale / 24)
    assert np.degrees(np.diff([request.sun_azimuth_rad for request in suns])) == pytest.approx(1)
    assert np.diff([request.low.cover for request in clouds]) == pytest.approx(0.01)
    assert len({replace(request, sun_azimuth_rad=0.0) for request in suns}) == 1
