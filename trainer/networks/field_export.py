"""Write a CloudField, procedural or learned, as ``field.onnx``."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from skygen_addon.core.bundle import DRAFT_FIELD
from skygen_addon.core.errors import BundleError
from skygen_addon.core.field_lattice import DRAFT_LATTICE_KEY, DRAFT_SHARE, Lattice
from skygen_addon.core.signatures import CONDITION_CHANNELS, GRAIN_CHANNEL, field_signature

from .field_generator import FieldGenerator
from .onnx_export import export_graph
from .procedural_field import FIELD_LATTICE, ProceduralField, field_lattice

DRAFT_LATTICE = field_lattice(FIELD_LATTICE.window // DRAFT_SHARE + FIELD_LATTICE.snap_texels)
"""Half of the windows, wherever between two snaps the camera stands."""
SIZE_LIMIT_BYTES = 8 * 1024 * 1024


def example_inputs(lattice: Lattice, seed: int = 0, cover: float = 0.5, shells: int = 8) -> tuple[Tensor, ...]:
    """Inputs of a field in signature order: noise, a condition of equal type weights, shell heights."""
    generator = torch.Generator().manual_seed(seed)
    noise = [torch.randn(1, n.channels, n.size, n.size, generator=generator) for n in lattice.noise]
    condition = torch.full((1, len(CONDITION_CHANNELS), lattice.condition_size, lattice.condition_size), 1 / 6)
    condition[:, 0], condition[:, GRAIN_CHANNEL:] = cover, 0.0
    return (*noise, condition, torch.linspace(0, 1, shells))


def share_constants(path: Path) -> None:
    """Rewrite a graph so that equal constant tensors are stored once, as initializers."""
    model = onnx.load(str(path))
    names: dict[tuple[bytes, tuple[int, ...], int], str] = {}
    renamed: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            key = (tensor.SerializeToString(), tuple(tensor.dims), tensor.data_type)
            if key not in names:
                names[key] = f"constant_{len(names)}"
                stored = model.graph.initializer.add()
                stored.CopyFrom(tensor)
                stored.name = names[key]
            renamed[node.output[0]] = names[key]
        else:
            kept.append(node)
    for node in kept:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.checker.check_model(model)
    temporary = path.with_suffix(".onnx.tmp")
    onnx.save(model, str(temporary))
    os.replace(temporary, path)


def export_field(module: nn.Module, path: Path) -> None:
    """Write ``module`` with the names of ``field_signature``; only the number of shells stays free.

    Parameters
    ----------
    module : nn.Module
        A field with a ``lattice``; takes noise coarse to fine, condition and shell heights.
    path : Path
        File to write; replaced only when the export has succeeded.

    Raises
    ------
    BundleError
        If the file is larger than 8 MB.
    """
    lattice = module.lattice
    assert isinstance(lattice, Lattice)
    path.parent.mkdir(parents=True, exist_ok=True)
    signature = field_signature(tuple(n.name for n in lattice.noise))
    export_graph(module, signature, example_inputs(lattice), path, dynamic_axes=("k",))
    share_constants(path)
    if path.stat().st_size > SIZE_LIMIT_BYTES:
        raise BundleError(
            f"{path.name} takes {path.stat().st_size / 2**20:.1f} MB.",
            "Export a smaller network or look for folded constants.",
        )


def described_lattices() -> dict[str, Any]:
    """What model.json states of the lattices of :func:`export_fields`."""
    return {"lattice": asdict(FIELD_LATTICE), DRAFT_LATTICE_KEY: asdict(DRAFT_LATTICE)}


def export_fields(module: FieldGenerator | ProceduralField, folder: Path) -> None:
    """Write a field as ``field.onnx`` and, with the same weights on smaller windows, as that of drafts.

    Parameters
    ----------
    module : FieldGenerator or ProceduralField
        On FIELD_LATTICE.
    folder : Path
        Bundle folder.

    Raises
    ------
    BundleError
        If a file is larger than 8 MB.
    """
    export_field(module, folder / "field.onnx")
    export_field(module.at_window(DRAFT_LATTICE.window), folder / DRAFT_FIELD)


def learned_weights(path: Path) -> FieldGenerator:
    """The generator of an exported field: its learned weights in the procedural parts of today.

    Parameters
    ----------
    path : Path
        ``field.onnx`` that :func:`export_field` wrote of a :class:`FieldGenerator`, of any age.

    Raises
    ------
    BundleError
        If the file is no graph, or lacks a weight, as a procedural field does.
    """
    try:
        stored = {tensor.name: tensor for tensor in onnx.load(str(path)).graph.initializer}
    except Exception as error:  # a damaged protobuf raises what its library likes
        raise BundleError(f"{path} is not a graph: {error}.", "Take another bundle.") from error
    field = FieldGenerator()
    state = field.state_dict()
    for name, value in state.items():
        if name == "learned_share" and name not in stored:  # a field of before types could be chosen
            continue
        if name not in stored or tuple(stored[name].dims) != tuple(value.shape):
            raise BundleError(
                f"{path} does not hold the learned weight {name}.", "Take a bundle whose field is learned."
            )
        state[name] = torch.tensor(numpy_helper.to_array(stored[name]))
    field.load_state_dict(state)
    return field.eval()
