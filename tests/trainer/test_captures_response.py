"""Response curves of cameras that are known."""

from __future__ import annotations

import numpy as np
import pytest

from skygen_addon.core.errors import CaptureError
from tests.comparison.merge_truth import response_error
from tests.comparison.simulated_camera import (
    CAMERAS,
    SimulatedCamera,
    bracket,
    bracket_exposures,
    synthetic_scene,
)
from trainer.captures.merging.camera_response import debevec_malik, linear_response, robertson
from trainer.captures.merging.code_pairs import reduced_codes
from trainer.captures.merging.noise_model import estimate_noise

SCENE = synthetic_scene(512)
EXPOSURES = bracket_exposures(SCENE)


@pytest.mark.parametrize("camera", sorted(CAMERAS))
def test_debevec_finds_the_curve_within_1_percent(camera: str) -> None:
    """Of full scale at every covered code, as asked (measured 0.2 to 0.4 %); log light within 2 % rms from code 10."""
    curves = CAMERAS[camera]
    assert curves is not None
    pictures = bracket(SimulatedCamera(curves), [SCENE] * 5, EXPOSURES)
    found = debevec_malik([p.values for p in pictures], EXPOSURES)
    of_light, of_log = response_error(found, curves)
    assert of_light < 0.01
    assert of_log < 0.02
    assert found.log_light is not None
    assert np.diff(found.log_light, axis=0).min() > 0
    # Equal middle codes are equal light: the balance that no bracket can tell.
    assert np.ptp(found.log_light[128]) < 1e-3


@pytest.mark.parametrize("camera", ["srgb", "film"])
def test_robertson_finds_the_same_curve(camera: str) -> None:
    """Within 2 % of full scale: it keeps some ripple of its start (measured 0.3 to 1.4 %)."""
    curves = CAMERAS[camera]
    assert curves is not None
    pictures = bracket(SimulatedCamera(curves), [SCENE] * 5, EXPOSURES)
    assert response_error(robertson([p.values for p in pictures], EXPOSURES), curves)[0] < 0.02


def test_16_bits_are_reduced() -> None:
    curves = CAMERAS["film"]
    pictures = bracket(SimulatedCamera(curves, bits=16), [SCENE] * 5, EXPOSURES)
    found = debevec_malik([reduced_codes(p.values) for p in pictures], EXPOSURES)
    assert response_error(found, curves)[0] < 0.01
    light = found.light(np.full((1, 1, 3), 257 * 100, dtype=np.uint16))
    # Code 100 of 255 is code 25700 of 65535: the same light from either table, to float32.
    assert light == pytest.approx(found.light(np.full((1, 1, 3), 100, dtype=np.uint8)), rel=1e-5)


def test_raw_exposures_are_mended_by_their_pixels() -> None:
    """Marked 1/15, 1/60, 1/250 but open for 1/16, 1/64, 1/256: ratios that are off by up to 6 %."""
    true = [1.0, 4.0, 16.0]
    marked = [1.0, 250 / 60, 250 / 15]
    pictures = bracket(SimulatedCamera(None, bits=16), [SCENE] * 3, [e * EXPOSURES[1] for e in true])
    found = linear_response([p.values for p in pictures], marked)
    # Shot noise of medians over thousands of pixels is below 0.1 %.
    assert np.array(found.exposures) / found.exposures[0] == pytest.approx(true, rel=2e-3)


def test_display_exposures_too_far_apart_are_refused() -> None:
    exposures = [EXPOSURES[2] / 2000, EXPOSURES[2] * 2000]
    pictures = bracket(SimulatedCamera(CAMERAS["srgb"]), [np.minimum(SCENE, 2)] * 2, exposures)
    with pytest.raises(CaptureError, match="No two exposures"):
        debevec_malik([p.values for p in pictures], exposures)


def test_raw_exposures_too_far_apart_keep_their_stated_ratio() -> None:
    """Raw light needs no curve: the ratio is believed, and the step named."""
    exposures = [EXPOSURES[2] / 2000, EXPOSURES[2] * 2000]
    pictures = bracket(SimulatedCamera(None, bits=16), [np.minimum(SCENE, 2)] * 2, exposures)
    found = linear_response([p.values for p in pictures], exposures)
    assert found.exposures == pytest.approx(exposures)
    assert found.unseen_steps == (0,)


def test_drift_of_a_channel_is_told_from_its_curve() -> None:
    """A curve of its own for each channel is no drift (measured 0.0005); a gain of 1.08 once is (0.04 and more)."""
    camera = SimulatedCamera(CAMERAS["per channel"])
    for gain in (1.0, 1.08):
        scenes = [SCENE * np.array([gain if k == 2 else 1.0, 1.0, 1.0]) for k in range(5)]
        found = debevec_malik([p.values for p in bracket(camera, scenes, EXPOSURES)], EXPOSURES)
        assert found.channel_drift is not None
        # The mean of the channels moves by a third of the gain, and the curve takes up some of the rest.
        assert 0.025 < found.channel_drift < 0.08 if gain > 1 else found.channel_drift < 0.003


def test_noise_is_told_from_two_exposures() -> None:
    """Poisson noise of a known number of electrons, in light that both see."""
    random = np.random.default_rng(4)
    light = random.uniform(0.05, 0.24, 200_000)
    electrons = 20_000.0
    lights = [random.poisson(light * k * electrons).astype(np.float32) / np.float32(electrons) for k in (1, 4)]
    usable = [np.ones(light.size, dtype=bool)] * 2
    noise = estimate_noise(lights, usable, [1.0, 4.0], np.linspace(0, 1, 65536, dtype=np.float32))
    assert noise.gain == pytest.approx(1 / electrons, rel=0.05)  # a variance of 8,000 samples a bin is known to 2 %
