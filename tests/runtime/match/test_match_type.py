"""Which clouds a look is taken for, and how controls move: looks as they were read from real skies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skygen_addon.core.controls import SkyControls
from skygen_addon.core.measuring.cloud_look import CloudLook
from skygen_addon.runtime.match.match_type import closer, first_layers, kind_of

HEAPS = CloudLook(0.40, 0.25, 0.63, False, 0.18, 0.47, 2.6)
LOOKS = {
    "cumulus": HEAPS,
    "clear": CloudLook(0.01, 0.0, 0.3, False, 0.0, 0.0, None),
    "stratus": CloudLook(1.0, 1.0, 1.0, True, 0.019, 0.3, 3.0),
    "altocumulus": CloudLook(0.87, 0.59, 0.64, False, 0.049, 0.74, 2.6),
    "cirrus": CloudLook(0.72, 0.22, 0.42, False, 0.057, 0.38, 2.9),
    "stratocumulus": CloudLook(0.86, 0.73, 0.73, False, 0.031, 0.28, 3.2),
    "broken": CloudLook(0.8, 0.5, 0.6, False, 0.15, 0.45, 2.6),
    "cumulus under cirrus": CloudLook(0.6, 0.1, 0.3, False, 0.12, 0.45, 2.6),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_a_look_is_taken_for_its_clouds(kind: str) -> None:
    assert kind_of(LOOKS[kind]) == kind


@pytest.mark.parametrize("kind", LOOKS)
def test_first_layers_are_controls_with_the_measured_cover(kind: str) -> None:
    look = LOOKS[kind]
    low, high = first_layers(kind, look)
    SkyControls(low=low, high=high)
    covers = {"clear": 0.0, "stratus": 1.0}
    assert low.cover + high.cover == pytest.approx(covers.get(kind, look.cover), abs=0.002)
    assert high.base_km >= low.base_km + low.thickness_km  # a request refuses anything else


def test_controls_move_toward_what_is_missing() -> None:
    low, high = first_layers("cumulus", HEAPS)
    controls = SkyControls(low=low, high=high)
    same = closer(controls, "cumulus", HEAPS, HEAPS)
    assert same == controls
    less = replace(HEAPS, cover=0.25, opacity=0.5, size_octaves=1.6)
    moved = closer(controls, "cumulus", HEAPS, less)
    assert moved.low.cover == pytest.approx(low.cover + 0.15)
    assert moved.low.density > low.density
    assert moved.low.texture_scale > low.texture_scale
    assert moved.high == high


def test_steps_are_bounded() -> None:
    """What shows nothing at all must not throw the controls to their limits."""
    low, high = first_layers("cirrus", LOOKS["cirrus"])
    nothing = CloudLook(0.0, 0.0, 0.0, False, 0.0, 0.0, None)
    moved = closer(SkyControls(low=low, high=high), "cirrus", LOOKS["cirrus"], nothing)
    assert moved.low == low
    assert 0.02 <= moved.high.cover <= 1.0
    assert moved.high.density == high.density
