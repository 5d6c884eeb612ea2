"""Which engine makes the pictures: frames of two engines are not parts of one sequence.

A frame depends on (engine, bundle, request). Jobs and frames carry the engine's identity, so that
a bake that goes on never takes a frame of another engine for finished, and a farm that has
another SkyGen version says so instead of mixing pictures.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from .errors import BundleError

ENGINE_VERSION = 8
"""To be raised with every change of code after which the same bundle and request give another picture.
Not the version of the add-on: a release that leaves pictures alone leaves baked frames valid."""

GRAPH_FOLDER = Path(__file__).resolve().parent.parent / "graphs"
"""The fixed graphs, which belong to the engine."""


@lru_cache(maxsize=8)
def engine_identity(graphs: Path = GRAPH_FOLDER) -> str:
    """ENGINE_VERSION and 16 digits of the sha256 over the fixed graphs, such as ``1-0123456789abcdef``.

    Raises
    ------
    BundleError
        If the graphs are missing or cannot be read.
    """
    remedy = "Reinstall SkyGen."
    digest = hashlib.sha256()
    try:
        files = sorted(graphs.glob("*.onnx"))
        if not files:
            raise BundleError(f"There are no graphs in {graphs}.", remedy)
        for file in files:
            digest.update(f"{file.name}:{hashlib.sha256(file.read_bytes()).hexdigest()};".encode())
    except OSError as error:
        raise BundleError(f"The graphs in {graphs} cannot be read: {error}.", remedy) from error
    return f"{ENGINE_VERSION}-{digest.hexdigest()[:16]}"
