"""Clouds change nothing when the nested windows move on with them by a snap, every 1.6 km of wind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skygen_addon.core.geometry import FloatArray, direction_from_angles
from skygen_addon.core.request import LayerRequest, SkyRequest
from skygen_addon.runtime.frame.frame import FrameRenderer

ELEVATIONS_DEG = (4.0, 9.0, 12.0, 16.0, 30.0)  # the first window ends near 17 degrees, the second near 4
AZIMUTH_RAD = np.radians(np.arange(0, 360, 1.0))
HALF_SNAP_KM = 0.8
STEP_KM = 0.003
MOST = 0.05


def transmittance(renderer: FrameRenderer, east_km: float) -> FloatArray:
    """exp(-view depth) around the horizon, (elevations, azimuths), of cumulus that have moved east."""
    low = LayerRequest(cover=0.4, base_km=1.2, thickness_km=1.0, displacement_km=(east_km, 0.0))
    request = SkyRequest(seed=7, low=low, width=512)
    scene = renderer._scene(request, (request.low, request.high), 0.0, 0, lambda: None)
    rows = [[direction_from_angles(a, np.radians(e)) for a in AZIMUTH_RAD] for e in ELEVATIONS_DEG]
    low_dome, _ = renderer.domes(np.array(rows, dtype=np.float32), 2 * np.pi / 2048, lambda _: 8, scene)
    seen: FloatArray = np.exp(-low_dome[0])
    return seen


@pytest.fixture(scope="module")
def changes(sky_renderer: FrameRenderer) -> tuple[FloatArray, FloatArray]:
    """Mean change by elevation of two equal steps, one before the windows move on and one over that.

    A ray's change counts up to MOST: rays that just meet or miss a cloud are few, and would decide alone.
    """
    before, just, after = (transmittance(sky_renderer, HALF_SNAP_KM + k * STEP_KM) for k in (-1.3, -0.3, 0.7))
    return tuple(np.abs(b - a).clip(0, MOST).mean(1) for a, b in ((before, just), (just, after)))  # type: ignore[return-value]


def test_windows_move_on_unseen(changes: tuple[FloatArray, FloatArray]) -> None:
    """Two steps of 3 m along the same path differ by chance; where windows pop it is by twice at 4 and 12 degrees."""
    ordinary, over_the_snap = changes
    assert (ordinary > 1e-4).all()
    np.testing.assert_array_less(over_the_snap, 1.6 * ordinary)


def test_a_layer_keeps_its_clouds_over_the_snap(sky_renderer: FrameRenderer) -> None:
    """The step lies where it is taken to lie: half a snap on the lattice of texture scale 1."""
    lattice = sky_renderer.bundle.lattice
    assert lattice.snap_texels * lattice.texel_km == pytest.approx(2 * HALF_SNAP_KM)
    layer = replace(LayerRequest(cover=0.4), displacement_km=(HALF_SNAP_KM - 0.01, 0.0))
    moved = replace(layer, displacement_km=(HALF_SNAP_KM + 0.01, 0.0))
    first, second = (sky_renderer._field.volume(one, 7, 0) for one in (layer, moved))
    assert first.plane_offset_km[0] * second.plane_offset_km[0] < 0
