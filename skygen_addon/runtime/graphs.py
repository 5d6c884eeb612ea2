"""Graphs: ONNX Runtime sessions that are checked against their signature before use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.engine_identity import GRAPH_FOLDER as GRAPH_FOLDER
from ..core.errors import BundleError
from ..core.geometry import FloatArray
from ..core.signatures import GraphSignature, Tensor
from .devices import CPU, PROVIDERS, check_provider, chosen_provider, not_runnable, onnxruntime

_REMEDY = "Export the bundle again with this version of SkyGen."


def _check(path: Path, kind: str, found: Mapping[str, Any], expected: tuple[Tensor, ...]) -> None:
    """Names, element types and fixed sizes of the inputs or of the outputs, as onnxruntime states them."""
    names = [tensor.name for tensor in expected]
    if sorted(found) != sorted(names):
        raise BundleError(f"{path.name} has {kind} {sorted(found)}, expected {sorted(names)}.", _REMEDY)
    for tensor in expected:
        shape, element = list(found[tensor.name].shape), found[tensor.name].type
        if element != "tensor(float)":
            raise BundleError(f"{kind} {tensor.name} of {path.name} is {element}, expected tensor(float).", _REMEDY)
        fits = len(shape) == len(tensor.axes) and all(
            not isinstance(axis, int) or not isinstance(size, int) or size == axis
            for size, axis in zip(shape, tensor.axes, strict=True)
        )
        if not fits:
            raise BundleError(
                f"{kind} {tensor.name} of {path.name} has shape {shape}, expected {list(tensor.axes)}.", _REMEDY
            )


def check_axes(
    path: Path, signature: GraphSignature, shapes: Mapping[str, list[Any]], sizes: Mapping[str, int]
) -> None:
    """Check that axes which share a name share a size.

    Among inputs an axis that is open in one must be open in all, under one name. Outputs are only
    compared where both sizes are whole numbers: the exporter derives names for their open axes.

    Parameters
    ----------
    path : Path
        The graph's file, for the message.
    signature : GraphSignature
        Names of the axes.
    shapes : mapping of str to list of int or str
        Shapes that the graph states, by input and output.
    sizes : mapping of str to int
        Sizes by axis that model.json states.

    Raises
    ------
    BundleError
        If two sizes differ.
    """
    seen: dict[str, tuple[Any, str]] = {}
    for tensor in (*signature.inputs, *signature.outputs):
        for axis, size in zip(tensor.axes, shapes[tensor.name], strict=True):
            if not isinstance(axis, str):
                continue
            if isinstance(size, int) and sizes.get(axis, size) != size:
                raise BundleError(
                    f"Axis {axis} of {tensor.name} is {size} in {path.name} and {sizes[axis]} in model.json.", _REMEDY
                )
            known, where = seen.setdefault(axis, (size, tensor.name))
            whole = isinstance(size, int) and isinstance(known, int)
            if size != known and (whole or tensor in signature.inputs):
                raise BundleError(
                    f"Axis {axis} of {path.name} is {size} in {tensor.name} and {known} in {where}.", _REMEDY
                )


class Graph:
    """One exported graph, on the device of :func:`.devices.graphs_on`.

    Parameters
    ----------
    path : Path
        ONNX file.
    signature : GraphSignature
        What the file must offer.
    threads : int
        Threads inside one call. The last bits of a result may depend on it, where one thread's share of a
        tensor ends: a graph that does so (the field) runs on the same number everywhere.
    keep_memory : bool
        Keep working memory between calls: faster for a graph that is called often on little data,
        gigabytes held for one that is called once a frame on much.
    sizes : mapping of str to int, optional
        Sizes that axes of the signature must have, by name, as model.json states them.

    Raises
    ------
    BundleError
        If the file is missing, damaged, has another signature or other sizes.
    SkyGenError
        If ONNX Runtime or its device cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        signature: GraphSignature,
        threads: int = 1,
        keep_memory: bool = False,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        runtime, provider = onnxruntime(), chosen_provider()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = keep_memory
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not path.is_file():
            raise BundleError(f"{path} is missing.", "Reinstall SkyGen or choose another model folder.")
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # onnxruntime raises its own unrelated classes
            reason = str(error).splitlines()[0]
            if provider != PROVIDERS[CPU]:
                raise not_runnable(path, provider, reason[:200]) from error
            raise BundleError(
                f"{path} is damaged: {reason}.", "Reinstall SkyGen or export the bundle again."
            ) from error
        check_provider(path, self._session, provider)
        self.signature = signature
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        _check(path, "inputs", {i.name: i for i in inputs}, signature.inputs)
        _check(path, "outputs", {o.name: o for o in outputs}, signature.outputs)
        check_axes(path, signature, {t.name: t.shape for t in (*inputs, *outputs)}, sizes or {})
        self._outputs = [tensor.name for tensor in signature.outputs]

    def input_shape(self, name: str) -> list[int | str]:
        """Axes of one input as the file declares them."""
        return next(list(i.shape) for i in self._session.get_inputs() if i.name == name)

    def __call__(self, **inputs: Any) -> list[FloatArray]:
        """Run once; inputs by name, cast to float32, outputs in signature order."""
        feed = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in inputs.items()}
        for name, value in inputs.items():
            if np.ndim(value) == 0:
                feed[name] = np.array(value, dtype=np.float32)
        result: list[FloatArray] = self._session.run(self._outputs, feed)
        return result
