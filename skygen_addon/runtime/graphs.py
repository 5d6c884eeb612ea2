"""Graphs: ONNX Runtime sessions that are checked against their signature before use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import BundleError, SkyGenError
from ..core.geometry import FloatArray
from ..core.signatures import GraphSignature, Tensor

GRAPH_FOLDER = Path(__file__).resolve().parent.parent / "graphs"


def _onnxruntime() -> Any:
    """The onnxruntime module, imported late because its library may fail to load in some hosts."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise SkyGenError(
            f"ONNX Runtime cannot be loaded: {error}.",
            "Reinstall the SkyGen zip made for this platform, or pip install onnxruntime.",
        ) from error
    return onnxruntime


def _check(path: Path, kind: str, found: Mapping[str, list[Any]], expected: tuple[Tensor, ...]) -> None:
    names = [tensor.name for tensor in expected]
    if sorted(found) != sorted(names):
        raise BundleError(
            f"{path.name} has {kind} {sorted(found)}, expected {sorted(names)}.",
            "Export the bundle again with this version of SkyGen.",
        )
    for tensor in expected:
        shape = found[tensor.name]
        fits = len(shape) == len(tensor.axes) and all(
            not isinstance(axis, int) or not isinstance(size, int) or size == axis
            for size, axis in zip(shape, tensor.axes, strict=True)
        )
        if not fits:
            raise BundleError(
                f"{kind} {tensor.name} of {path.name} has shape {shape}, expected {list(tensor.axes)}.",
                "Export the bundle again with this version of SkyGen.",
            )


class Graph:
    """One exported graph.

    Parameters
    ----------
    path : Path
        ONNX file.
    signature : GraphSignature
        What the file must offer.
    threads : int
        Threads inside one call. Results do not depend on it.
    keep_memory : bool
        Keep working memory between calls: faster for a graph that is called often on little data,
        gigabytes held for one that is called once a frame on much.

    Raises
    ------
    BundleError
        If the file is missing, damaged or has another signature.
    """

    def __init__(self, path: Path, signature: GraphSignature, threads: int = 1, keep_memory: bool = False) -> None:
        runtime = _onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = keep_memory
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not path.is_file():
            raise BundleError(f"{path} is missing.", "Reinstall SkyGen or choose another model folder.")
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own unrelated classes
            reason = str(error).splitlines()[0]
            raise BundleError(
                f"{path} is damaged: {reason}.", "Reinstall SkyGen or export the bundle again."
            ) from error
        self.signature = signature
        _check(path, "inputs", {i.name: list(i.shape) for i in self._session.get_inputs()}, signature.inputs)
        _check(path, "outputs", {o.name: list(o.shape) for o in self._session.get_outputs()}, signature.outputs)
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
