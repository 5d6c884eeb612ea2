"""The field graphs of a bundle: that of whole windows and, where there is one, that of drafts."""

from __future__ import annotations

from ..core.bundle import DRAFT_FIELD, Bundle
from ..core.signatures import field_signature
from .cloud_field import CloudField
from .graphs import Graph

FIELD_THREADS = 4
"""Threads inside a field graph, always: where one thread's share of a logarithm ends, its last bits change."""


def bundle_field(bundle: Bundle) -> CloudField:
    """The CloudField that runs a bundle's graphs.

    Raises
    ------
    BundleError
        If a graph is missing, damaged, or not of the sizes that the bundle states.
    """
    signature = field_signature(tuple(noise.name for noise in bundle.lattice.noise))

    def graph(name: str, sizes: dict[str, int]) -> Graph:
        return Graph(bundle.folder / name, signature, FIELD_THREADS, sizes=sizes)

    whole = graph("field.onnx", bundle.lattice.field_sizes())
    if bundle.draft_lattice is None:
        return CloudField(bundle, whole)
    return CloudField(bundle, whole, graph(DRAFT_FIELD, bundle.draft_lattice.field_sizes()))
