"""Rows of clouds: waves of one length along the axis that is asked for, the same on all levels, in altocumulus only."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skygen_addon.core.geometry import stretch_axis
from skygen_addon.core.request import CLOUD_TYPES
from skygen_addon.core.signatures import CONDITION_CHANNELS
from trainer.networks.cloud_rows import BROKEN, CROSSING_RAD, REACH, ROW_SPACING, RowAmplitude, RowOrder, Rows
from trainer.networks.field_octaves import cell_count
from trainer.networks.procedural_field import ProceduralField, field_lattice

CELLS = cell_count(512, 16)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def axis_map(angle_rad: float, batch: int = 1, cells: int = CELLS) -> torch.Tensor:
    """Cosine and sine (batch, 2, cells, cells) of twice an angle."""
    return torch.tensor([math.cos(2 * angle_rad), math.sin(2 * angle_rad)])[None, :, None, None].expand(
        batch, 2, cells, cells
    )


def white(batch: int, seed: int, channels: int = 3, cells: int = CELLS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, cells + 2 * REACH, cells + 2 * REACH, generator=generator)


def spectrum(maps: torch.Tensor, pixel: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean power of maps (B, S, S) under a Hann window, wave numbers, angles from east to south, each (S, S)."""
    size = maps.shape[-1]
    hann = torch.hann_window(size, periodic=False)
    shown = (maps - maps.mean((1, 2), keepdim=True)) * hann[:, None] * hann[None, :]
    power = torch.fft.fft2(shown).abs().square().mean(0).numpy()
    frequency = np.fft.fftfreq(size, pixel)
    east, south = np.meshgrid(frequency, frequency)
    return power, np.hypot(east, south), np.arctan2(south, east)


def share_along(power: np.ndarray, wave: np.ndarray, angle: np.ndarray, octave: float, axis_rad: float) -> float:
    """Share of the power within 10 % of a wave number that runs within 20 degrees of an axis; 2 / 9 if none does."""
    ring = np.abs(wave / octave - 1) < 0.1
    off = np.abs((angle - axis_rad + math.pi / 2) % math.pi - math.pi / 2)
    return float(power[ring & (off < math.radians(20))].sum() / power[ring].sum())


@pytest.mark.parametrize("angle_deg", [0, 10, 30, 45, 78, 90, 121, 168, 169, 170])
def test_waves_of_every_axis_have_their_length_and_unit_variance(angle_deg: float) -> None:
    """168.75 degrees is where the kernels' signs change."""
    angle = math.radians(angle_deg)
    waves = Rows(512, 16)(RowAmplitude()(white(6, angle_deg), axis_map(angle, 6)))[:, 0]
    assert abs(float(waves.mean())) < 0.02
    assert float(waves.std()) == pytest.approx(1, abs=0.08)  # 6 x 32 x 32 cells hold some hundred kernels
    power, wave, direction = spectrum(waves, 1 / 16)  # waves a cell
    mean_wave = float((power * wave).sum() / power.sum())
    assert mean_wave == pytest.approx(1 / ROW_SPACING, rel=0.05)
    assert share_along(power, wave, direction, 1 / ROW_SPACING, angle + math.pi / 2) > 0.9


@pytest.mark.parametrize("angle_deg", [0, 15, 22.5, 45, 112.5])
def test_waves_stand_anywhere_in_their_cells(angle_deg: float) -> None:
    """Their variance by place in a cell of 16 texels is even: no crests keep to the lattice. Measured: 1.01 to 1.09."""
    waves = Rows(512, 16)(RowAmplitude()(white(24, 1), axis_map(math.radians(angle_deg), 24)))[:, 0]
    by_place = waves.reshape(24, 32, 16, 32, 16).square().mean((0, 1, 3))
    assert 0.85 < float(by_place.min()) and float(by_place.max()) < 1.25


def test_levels_show_the_same_waves() -> None:
    amplitude = RowAmplitude()(white(1, 3), axis_map(0.4))
    fine, coarse = Rows(512, 16)(amplitude), Rows(128, 4)(amplitude)
    mean = torch.nn.functional.avg_pool2d(fine, 4)
    both = torch.stack([mean.flatten(), coarse.flatten()])
    assert float(torch.corrcoef(both)[0, 1]) > 0.995
    # The mean over a quarter of a cell of waves at angles of 0.4 and of 90 degrees more.
    loss = math.prod(np.sinc(0.25 / ROW_SPACING * v) for v in (math.cos(0.4), math.sin(0.4)))
    assert float(mean.std() / coarse.std()) == pytest.approx(loss, rel=0.03)


def test_waves_move_with_the_lattice() -> None:
    noise, model = white(1, 4, cells=CELLS + 2), RowAmplitude()
    here, there = (
        Rows(512, 16)(model(noise[..., s : s + CELLS + 2 * REACH, : CELLS + 2 * REACH], axis_map(1.0))) for s in (0, 2)
    )
    torch.testing.assert_close(here[..., 32:, :], there[..., :-32, :], rtol=1e-4, atol=1e-4)


def test_rows_turn_smoothly() -> None:
    """Half a degree of the axis, also where the kernels' signs change, changes waves by little."""
    noise, model, rows = white(2, 5), RowAmplitude(), Rows(512, 16)
    for angle in (0.0, 11.1, 44.8, 89.9, 168.5, 179.9):
        a, b = (rows(model(noise, axis_map(math.radians(angle + turn), 2))) for turn in (0.0, 0.5))
        assert float((a - b).square().mean()) < 0.02, angle


def test_broken_rows_are_weaker_and_crossed_ones_make_cells() -> None:
    order = RowOrder()
    slow = torch.zeros(1, 4, CELLS, CELLS)
    slow[:, 0] = 2.0  # crests to the east
    along = torch.zeros(1, 2, CELLS, CELLS)
    found = {}
    for crossing, breaking in ((-9.0, -9.0), (-9.0, 9.0), (9.0, -9.0)):
        slow[:, 2], slow[:, 3] = crossing, breaking
        amplitude, strength = order(white(1, 6, 4), slow, along)
        waves = (Rows(512, 16)(amplitude) * strength.mean())[:, 0]
        power, wave, direction = spectrum(waves, 1 / 16)
        crossed = share_along(power, wave, direction, 1 / ROW_SPACING, math.pi / 2 + CROSSING_RAD)
        found[crossing, breaking] = (float(strength.mean()), crossed)
    kept, broken, cells = found.values()
    assert broken[0] == pytest.approx((1 - BROKEN) * kept[0], rel=1e-3)
    assert kept[1] < 0.05 < 0.1 < cells[1] and cells[0] > kept[0]


def test_rows_vanish_where_their_axis_does() -> None:
    """It turns around points of a slow noise at which it has no direction."""
    slow, along = torch.zeros(1, 4, CELLS, CELLS), torch.zeros(1, 2, CELLS, CELLS)
    for length in (0.0, 1e-20, 1e-6, 9e-4, 1.1e-3):
        slow[:, 1] = length
        amplitude, strength = RowOrder()(white(1, 7, 4), slow, along)
        assert torch.isfinite(amplitude).all()
        assert 0 <= float(strength.min()) <= float(strength.max()) < 0.01
    assert float(amplitude.square().mean()) > 0.01


def potentials(cloud_type: str, stretch: float, azimuth_rad: float) -> torch.Tensor:
    """Potential (24, 96, 96) of patches of 9.6 km on texels of 100 m."""
    size, generator = field_lattice(96).condition_size, torch.Generator().manual_seed(11)
    condition = torch.zeros(24, len(CONDITION_CHANNELS), size, size)
    condition[:, 0], condition[:, 1 + CLOUD_TYPES.index(cloud_type)] = 0.6, 1.0
    condition[:, -2:] = torch.tensor(stretch_axis(stretch, azimuth_rad))[None, :, None, None]
    noise = [torch.randn(24, n.channels, n.size, n.size, generator=generator) for n in field_lattice(96).noise]
    with torch.no_grad():
        maps = ProceduralField(96).levels(tuple(noise), condition)[1]
    return (maps.potential - maps.settings[:, :1])[:, 0, 16:-16, 16:-16]


@pytest.mark.parametrize("azimuth_deg", [20.0, 100.0])
def test_altocumulus_stand_in_rows_of_a_kilometre_and_cumulus_do_not(azimuth_deg: float) -> None:
    azimuth = math.radians(azimuth_deg)
    across = azimuth  # crests run at azimuth - 90 degrees from east to south, waves across them
    found = {}
    for name in ("altocumulus", "cumulus", "stratocumulus"):
        power, wave, direction = spectrum(potentials(name, 3.0, azimuth), 0.1)  # waves a kilometre
        shares = [share_along(power, wave, direction, octave, across) for octave in (0.5, 1.0, 2.0)]
        level = [float(power[np.abs(wave / octave - 1) < 0.1].mean()) for octave in (0.5, 1.0, 2.0)]
        found[name] = (shares, level[1] / math.sqrt(level[0] * level[2]))
    even = 2 / 9  # 40 of 180 degrees
    assert found["altocumulus"][0][1] > 2.5 * even
    for name in ("cumulus", "stratocumulus"):
        for share in found[name][0]:
            assert share == pytest.approx(even, abs=0.08)  # some hundred waves in a ring
    for share in (found["altocumulus"][0][0], found["altocumulus"][0][2]):
        assert share == pytest.approx(even, abs=0.1)
    assert found["altocumulus"][1] > 2 * max(found[name][1] for name in ("cumulus", "stratocumulus"))


def test_rows_keep_the_potential_of_unit_variance() -> None:
    field, size = ProceduralField(64), field_lattice(64).condition_size
    condition = torch.zeros(1, len(CONDITION_CHANNELS), size, size)
    condition[:, 0], condition[:, 1 + CLOUD_TYPES.index("altocumulus")] = 0.6, 1.0
    with torch.no_grad():
        for strength in (0.0, 0.5, 1.4):
            amplitude, _ = field.settings(condition, torch.full((1, 1, size, size), strength))
            torch.testing.assert_close(amplitude.square().sum(1), torch.ones(1, size, size))
