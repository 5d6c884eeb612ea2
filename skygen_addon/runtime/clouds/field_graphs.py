"""The field graphs of a bundle: that of whole windows and, where there is one, that of drafts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ...core.bundle import DRAFT_FIELD, Bundle
from ...core.field_lattice import Lattice
from ...core.geometry import FloatArray
from ...core.signatures import field_signature
from ..graphs import Graph
from .cloud_field import CloudField

FIELD_THREADS = 4
"""Threads inside a field graph, always: where one thread's share of a logarithm ends, its last bits change."""


def bundle_field(bundle: Bundle) -> CloudField:
    """The CloudField that runs a bundle's graphs.

    Raises
    ------
    BundleError
        If a graph is missing, damaged, or not of the sizes that the bundle states; for that of drafts when it runs.
    """
    whole = _graph(bundle, "field.onnx", bundle.lattice)
    if bundle.draft_lattice is None:
        return CloudField(bundle, whole)
    return CloudField(bundle, whole, _Late(partial(_graph, bundle, DRAFT_FIELD, bundle.draft_lattice)))


def _graph(bundle: Bundle, name: str, lattice: Lattice) -> Graph:
    signature = field_signature(tuple(noise.name for noise in lattice.noise))
    return Graph(bundle.folder / name, signature, FIELD_THREADS, sizes=lattice.field_sizes())


class _Late:
    """A graph that is loaded when it is run first: whoever bakes draws no drafts."""

    def __init__(self, load: Callable[[], Graph]) -> None:
        self._load, self._lock = load, threading.Lock()
        self._graph: Graph | None = None

    def __call__(self, **inputs: Any) -> list[FloatArray]:
        with self._lock:
            if self._graph is None:
                self._graph = self._load()
        return self._graph(**inputs)
