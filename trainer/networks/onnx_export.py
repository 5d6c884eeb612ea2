"""Export torch modules to the graphs that the add-on runs."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from skygen_addon.core.detail import CHANNELS as DETAIL_CHANNELS
from skygen_addon.core.signatures import COMPOSE, DOME, SHELL_COUNTS, SUNLIGHT, GraphSignature
from skygen_addon.core.sunlight_passes import sunlight_graph

from .compose import Compose
from .dome import Dome
from .sunlight import DomeSunlight, dome_tables

OPSET = 20


def export_graph(
    module: nn.Module,
    signature: GraphSignature,
    example: tuple[Tensor, ...],
    path: Path,
    dynamic_axes: tuple[str, ...] = (),
) -> None:
    """Write ``module`` as an ONNX graph with the names of ``signature``.

    Parameters
    ----------
    module : nn.Module
        Takes and returns the signature's tensors in order.
    signature : GraphSignature
        Names and axes.
    example : tuple of Tensor
        One input of each kind; sizes not in ``dynamic_axes`` are frozen.
    path : Path
        File to write; replaced only when the export has succeeded.
    dynamic_axes : tuple of str
        Axis names of the signature whose size may change from call to call.
    """
    axes = {
        tensor.name: {i: name for i, name in enumerate(tensor.axes) if name in dynamic_axes}
        for tensor in (*signature.inputs, *signature.outputs)
    }
    temporary = path.with_suffix(".onnx.tmp")
    with torch.no_grad():
        torch.onnx.export(
            module.eval(),
            example,
            str(temporary),
            input_names=[t.name for t in signature.inputs],
            output_names=[t.name for t in signature.outputs],
            dynamic_axes={name: value for name, value in axes.items() if value},
            opset_version=OPSET,
            dynamo=False,
            do_constant_folding=False,
        )
    os.replace(temporary, path)


def export_fixed_graphs(folder: Path) -> None:
    """Write the sunlight graphs, dome.onnx and compose.onnx, which belong to the engine.

    The sunlight recursion over shells and its samples are unrolled, hence one graph for every number
    of shells and for a high and a low sun.
    """
    folder.mkdir(parents=True, exist_ok=True)
    window, levels, disc = 64, 3, 16
    sun = torch.tensor([0.6, 0.3, 0.74])
    texel, matrix = torch.tensor(0.025), torch.eye(2)
    for shells in SHELL_COUNTS:
        shell_km = torch.linspace(1.5, 2.5, shells)
        extinction = torch.rand(levels, shells, window, window)
        example = (extinction, shell_km, texel, matrix, torch.zeros(2), sun)
        for low_sun in (False, True):
            path = folder / sunlight_graph(shells, low_sun)
            export_graph(DomeSunlight(low_sun), SUNLIGHT, example, path, ("N", "LN", "kLN", "M", "kLM", "n", "Ln"))
    atlas = torch.rand(shells, 3, levels * window, window)
    direction = nn.functional.normalize(torch.rand(6, 8, 3) + 0.1, dim=-1)
    export_graph(
        Dome(),
        DOME,
        (
            direction,
            torch.tensor(0.006),
            *dome_tables(atlas),
            torch.rand(1, DETAIL_CHANNELS, 33, 33),
            torch.tensor(0.5),
            shell_km,
            texel,
            matrix,
            torch.zeros(2),
            torch.zeros(2),
            (torch.arange(6) + 0.5) / 6,
            sun,
        ),
        folder / "dome.onnx",
        ("h", "w", "k", "g", "m", "kLN", "LN", "kLM", "Ln", "N", "M", "n", "c", "d"),
    )
    layer = torch.rand(6, 6, 8)
    export_graph(
        Compose(),
        COMPOSE,
        (
            direction,
            torch.rand(1, 6, 16, 16),
            layer,
            layer,
            torch.zeros(1, 3, disc, disc),
            sun,
            torch.rand(6, 3),
            torch.rand(2, 4) + 0.1,
            torch.rand(3),
            torch.tensor(1.0),
            torch.tensor(0.5),
            torch.rand(3),
            torch.tensor(1.0),
            torch.rand(3),
            torch.tensor(0.01),
            torch.ones(3),
        ),
        folder / "compose.onnx",
        ("h", "w", "e", "a", "D"),
    )
