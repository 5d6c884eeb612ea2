"""Graphs are checked before they run: names, element types, fixed sizes, and axes that share a name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from skygen_addon.core.bundle import graph_hashes
from skygen_addon.core.errors import BundleError
from skygen_addon.core.request import HIGH_LAYER, LOW_LAYER, SkyRequest
from skygen_addon.core.signatures import GraphSignature, Tensor
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.graphs import Graph

PAIR = GraphSignature(
    "pair",
    (Tensor("one", (1, "S", "S"), "-"), Tensor("other", (1, "S", "S"), "-")),
    (Tensor("sum", (1, "S", "S"), "-"),),
)


def pair(
    path: Path, one: list[Any], other: list[Any], total: list[Any], element: int = TensorProto.FLOAT, name: str = "sum"
) -> Path:
    """A graph that adds its two inputs, with these declared shapes."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["one", "other"], [name])],
        "pair",
        [helper.make_tensor_value_info(n, element, s) for n, s in (("one", one), ("other", other))],
        [helper.make_tensor_value_info(name, element, total)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9  # what the oldest supported onnxruntime reads
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("size", [3, "S"])
def test_a_graph_that_fits_runs(tmp_path: Path, size: int | str) -> None:
    path = pair(tmp_path / "pair.onnx", [1, size, size], [1, size, size], [1, size, size])
    (total,) = Graph(path, PAIR, sizes={"S": 3})(one=np.full((1, 3, 3), 2.0), other=np.full((1, 3, 3), 0.5))
    assert (total == 2.5).all()


def test_an_output_may_name_its_open_axes_as_it_likes(tmp_path: Path) -> None:
    Graph(pair(tmp_path / "pair.onnx", [1, "S", "S"], [1, "S", "S"], [1, "add_1", "add_2"]), PAIR)


@pytest.mark.parametrize(
    "shapes, told",
    [
        (([1, 3, 3], [1, 1, 1], [1, 3, 3]), "Axis S of pair.onnx is 1 in other and 3 in one"),
        (([1, 3, 1], [1, 3, 1], [1, 3, 1]), "Axis S of pair.onnx is 1 in one and 3 in one"),
        (([1, "S", "S"], [1, "T", "T"], [1, "S", "S"]), "Axis S of pair.onnx is T in other and S in one"),
        (([1, 3, 3], [1, "S", "S"], [1, 3, 3]), "Axis S of pair.onnx is S in other and 3 in one"),
        (([1, "S", "S"], [1, 3, 3], [1, 3, 3]), "Axis S of pair.onnx is 3 in other and S in one"),
        (([2, 3, 3], [2, 3, 3], [2, 3, 3]), r"inputs one of pair.onnx has shape \[2, 3, 3\]"),
        (([3, 3], [3, 3], [3, 3]), "inputs one of pair.onnx has shape"),
        (([1, 4, 4], [1, 4, 4], [1, 4, 4]), "Axis S of one is 4 in pair.onnx and 3 in model.json"),
    ],
)
def test_sizes_that_do_not_agree_are_refused(tmp_path: Path, shapes: tuple[list[Any], ...], told: str) -> None:
    path = pair(tmp_path / "pair.onnx", *shapes)
    with pytest.raises(BundleError, match=told):
        Graph(path, PAIR, sizes={"S": 3} if "model.json" in told else None)


@pytest.mark.parametrize("element, told", [(TensorProto.DOUBLE, "double"), (TensorProto.INT64, "int64")])
def test_other_element_types_are_refused(tmp_path: Path, element: int, told: str) -> None:
    path = pair(tmp_path / "pair.onnx", [1, 3, 3], [1, 3, 3], [1, 3, 3], element)
    with pytest.raises(BundleError, match=rf"inputs one of pair.onnx is tensor\({told}\), expected tensor\(float\)"):
        Graph(path, PAIR)


def test_other_names_are_refused(tmp_path: Path) -> None:
    path = pair(tmp_path / "pair.onnx", [1, 3, 3], [1, 3, 3], [1, 3, 3], name="total")
    with pytest.raises(BundleError, match=r"pair.onnx has outputs \['total'\], expected \['sum'\]"):
        Graph(path, PAIR)


@pytest.mark.parametrize("content", [b"", b"no graph", None])
def test_files_that_are_no_graph_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "pair.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"pair\.onnx"):
        Graph(tmp_path / "pair.onnx", PAIR)


@pytest.mark.parametrize(
    "path, value, told",
    [
        (("disc_size",), 128, "Axis D of features is 256 in shade.onnx and 128 in model.json"),
        (("weather", "hidden"), 8, "Axis H of hidden is 24 in weather.onnx and 8 in model.json"),
        (("lattice", "window"), 256, "Axis N of extinction is 512 in field.onnx and 256 in model.json"),
        (("lattice", "levels"), 2, "lattice.levels is 2, expected 3, which is built into the engine's graphs"),
        (("lattice", "condition_size"), 64, "Axis S_condition of condition is 140 in field.onnx and 64 in model.json"),
        (("lattice", "noise", 0, "size"), 162, "Axis S_noise_wide_4 .* is 164 in field.onnx and 162 in model.json"),
        (("lattice", "noise", 0, "channels"), 4, "Axis C_noise_wide_4 .* is 8 in field.onnx and 4 in model.json"),
        (("lattice", "noise", 0, "name"), "noise_new", "field.onnx has inputs"),
        (("draft_lattice", "window"), 384, "Axis N of extinction is 320 in field_draft.onnx and 384 in model.json"),
        (("draft_lattice", "window"), 1024, "draft_lattice.window is 1024, expected from 320 to 512"),
        (("draft_lattice", "noise", 0, "channels"), 4, "draft_lattice.noise is .*, expected that of lattice"),
    ],
)
def test_a_description_of_another_network_is_refused(
    shipped_bundle: Path, tmp_path: Path, path: tuple[Any, ...], value: Any, told: str
) -> None:
    """model.json with sizes that make sense, but are not those of the graphs beside it."""
    folder = tmp_path / "bundle"
    shutil.copytree(shipped_bundle, folder)
    data = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if path[0] == "lattice":  # that of drafts would have to agree
        del data["draft_lattice"]
        (folder / "field_draft.onnx").unlink()
    at: Any = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    (folder / "model.json").write_text(json.dumps({**data, "graphs": graph_hashes(folder)}), encoding="utf-8")
    with pytest.raises(BundleError, match=told):
        FrameRenderer(folder, 1).render_draft(SkyRequest(low=LOW_LAYER, high=HIGH_LAYER, width=64))
