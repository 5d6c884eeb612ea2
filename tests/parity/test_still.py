"""The pattern of sunlight around the sun by which stills are carried, against the formula that lights clouds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skygen_addon.runtime.frame.still import _DIFFUSE_LIGHT, sun_pattern
from trainer.networks.cloud_light import ASYMMETRY, BEAM_FLATTENING, BEAM_LIGHT, droplet_lobes, dual_lobe


@pytest.mark.parametrize("sun_depth", [0.0, 0.3, 2.0, 9.0])
def test_the_pattern_is_the_direct_and_forward_light_of_the_formula(sun_depth: float) -> None:
    cos_angle = np.linspace(-1, 1, 201, dtype=np.float32)
    angle = torch.from_numpy(cos_angle)
    direct, beam = np.exp(-sun_depth), np.exp(-(1 - ASYMMETRY) * sun_depth)
    expected = droplet_lobes(angle) * direct + BEAM_LIGHT * dual_lobe(angle, BEAM_FLATTENING) * (beam - direct)
    found = sun_pattern(cos_angle, np.full_like(cos_angle, sun_depth)) - _DIFFUSE_LIGHT
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)
