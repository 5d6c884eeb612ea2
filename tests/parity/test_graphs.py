"""The engine's graphs are what the torch modules say: same outputs, and exported from the modules as they are now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skygen_addon.core.detail import detail_tile
from skygen_addon.core.signatures import COMPOSE, DOME, SHELL_COUNTS, SUNLIGHT, GraphSignature
from skygen_addon.core.sunlight_passes import sunlight_graph
from skygen_addon.runtime.graphs import GRAPH_FOLDER, Graph
from trainer.networks.compose import Compose
from trainer.networks.dome import Dome
from trainer.networks.onnx_export import export_fixed_graphs
from trainer.networks.sunlight import DomeSunlight

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's tracer warns of every constant

PARITY = 1e-4
"""Largest difference between torch and ONNX Runtime relative to the output's peak; measured 7e-6 at most."""
CURRENT = 1e-6
"""The same graph twice in one runtime; far below the effect of any constant that somebody may have changed."""

Inputs = dict[str, Tensor]


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _directions(generator: torch.Generator, rows: int, columns: int, lowest: float) -> Tensor:
    """Unit vectors (rows, columns, 3) whose z is evenly spread from ``lowest`` to 1."""
    z, azimuth = _uniform(generator, lowest, 1, rows, columns), _uniform(generator, 0, 6.28, rows, columns)
    flat = torch.sqrt((1 - z * z).clamp(min=0))
    return torch.stack([flat * torch.cos(azimuth), flat * torch.sin(azimuth), z], dim=-1)


def sunlight_inputs(shells: int, sun: tuple[float, float, float], seed: int = 1, cells: int = 16) -> Inputs:
    """Broken clouds on three windows of 64 texels, four for each of ``cells``."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(3, shells, cells, cells, generator=generator)
    smooth = nn.functional.interpolate(noise, scale_factor=4, mode="bilinear", align_corners=False)
    return {
        "extinction": torch.relu(smooth) * 12.0,
        "shell_km": torch.linspace(1.2, 2.6, shells),
        "texel_km": torch.tensor(0.05),
        "plane_matrix": torch.tensor([[0.9, 0.1], [0.1, 0.6]]),
        "plane_offset_km": torch.tensor([0.15, -0.1]),
        "sun_direction": nn.functional.normalize(torch.tensor(sun), dim=0),
    }


def dome_inputs(shells: int, rows: int = 9, columns: int = 14) -> Inputs:
    """Rays from the zenith to just below the horizon through such clouds, with detail."""
    generator = torch.Generator().manual_seed(shells)
    volume = sunlight_inputs(shells, (0.4, 0.5, 0.6))
    with torch.no_grad():
        fill, greatest, sun_table, zenith_table, occupancy = DomeSunlight()(*volume.values())
    values = {
        "fill": fill,
        "greatest": greatest,
        "sun_table": sun_table,
        "zenith_table": zenith_table,
        "occupancy": occupancy,
        "direction": _directions(generator, rows, columns, -0.02),
        "footprint_rad": torch.tensor(0.003),
        "detail": torch.from_numpy(detail_tile().copy()),
        "detail_strength": torch.tensor(0.6),
        "shell_km": volume["shell_km"],
        "texel_km": volume["texel_km"],
        "plane_matrix": volume["plane_matrix"],
        "plane_offset_km": volume["plane_offset_km"],
        "detail_offset_km": torch.tensor([1.1, 2.2]),
        "substep": (torch.arange(4) + 0.5) / 4,
        "sun_direction": volume["sun_direction"],
    }
    return {tensor.name: values[tensor.name] for tensor in DOME.inputs}


def compose_inputs(rows: int = 10, columns: int = 12) -> Inputs:
    """Every direction, two layers of any optical depth and distance."""
    generator = torch.Generator().manual_seed(5)
    special = {
        "direction": _directions(generator, rows, columns, -1.0),
        "sky_view": _uniform(generator, 0, 1, 1, 6, 24, 20),
        "log_correction": 0.3 * torch.randn(1, 3, 32, 32, generator=generator),
        "sun_direction": nn.functional.normalize(torch.tensor([0.3, -0.5, 0.4]), dim=0),
        "light": _uniform(generator, 0, 4, 6, 3),
        "air": torch.tensor([[0.006, 0.013, 0.03, 8.0], [0.02, 0.021, 0.023, 1.2]]),
    }
    sizes = {"h": rows, "w": columns}
    values: Inputs = {}
    for tensor in COMPOSE.inputs:
        if tensor.name in special:
            values[tensor.name] = special[tensor.name]
        elif tensor.axes[:1] == (6,):
            values[tensor.name] = _uniform(generator, 0, 2, 6, rows, columns)
            values[tensor.name][4] *= 30  # kilometres
        else:
            shape = [axis if isinstance(axis, int) else sizes.get(axis, 0) for axis in tensor.axes]
            values[tensor.name] = _uniform(generator, 0.2, 1, *shape)
    return values


Case = tuple[str, GraphSignature, Callable[[], nn.Module], Callable[[], Inputs]]
SUNS = {"overhead": (0.4, 0.5, 0.6), "rising": (0.9, -0.3, 0.04), "beneath": (-0.5, 0.8, -0.03)}
CASES: dict[str, Case] = {
    "compose": ("compose.onnx", COMPOSE, Compose, compose_inputs),
    "sunlight_4_in_windows_of_512": (
        "sunlight_4.onnx", SUNLIGHT, DomeSunlight, lambda: sunlight_inputs(4, (0.4, 0.5, 0.6), cells=128)
    ),
    **{f"dome_{k}": ("dome.onnx", DOME, Dome, lambda k=k: dome_inputs(k)) for k in SHELL_COUNTS},
    **{
        sunlight_graph(k, low).replace(".onnx", f"_{name}"): (
            sunlight_graph(k, low), SUNLIGHT, lambda low=low: DomeSunlight(low), lambda k=k, s=s: sunlight_inputs(k, s)
        )
        for k in SHELL_COUNTS
        for low in (False, True)
        for name, s in SUNS.items()
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the graphs exported now."""
    folder = tmp_path_factory.mktemp("graphs")
    export_fixed_graphs(folder)
    return folder


def run(folder: Path, case: Case) -> list[np.ndarray]:
    """Outputs of a folder's graph."""
    name, signature, _, inputs = case
    return Graph(folder / name, signature)(**{key: value.numpy() for key, value in inputs().items()})


def assert_same(found: list[np.ndarray], expected: list[np.ndarray], bound: float) -> None:
    """Every output finite, of the same shape, and within ``bound`` of the other's peak."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(one).all() and np.isfinite(other).all()
        assert np.abs(other).max() > 0
        assert np.abs(one - other).max() <= bound * np.abs(other).max()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_shipped_graphs_do_what_the_modules_do(case: Case) -> None:
    """On sizes and suns other than those the graphs were traced with."""
    with torch.no_grad():
        outputs = case[2]().eval()(*case[3]().values())
    expected = [o.numpy() for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
    assert_same(run(GRAPH_FOLDER, case), expected, PARITY)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_shipped_graphs_are_the_current_export(case: Case, exported: Path) -> None:
    assert_same(run(GRAPH_FOLDER, case), run(exported, case), CURRENT)


def test_nothing_else_is_shipped(exported: Path) -> None:
    """No graph of a number of shells that is no longer used."""
    assert sorted(p.name for p in GRAPH_FOLDER.glob("*.onnx")) == sorted(p.name for p in exported.glob("*.onnx"))
