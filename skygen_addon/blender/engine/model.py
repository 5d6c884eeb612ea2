"""The engine and its model as the add-on sees them: where they are, which they are, what a loop is asked for."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from ...core.bundle import DESCRIPTION_FILE, SHIPPED_MODELS, Bundle, graph_files, installed_bundle, load_bundle
from ...core.controls import SkyControls
from ...core.engine_identity import engine_identity
from ...core.errors import BundleError
from ...core.loop import loop_snap_km
from ...core.signatures import ENGINE_SCHEMA
from .preferences_access import chosen_model_folder

MODELS_FOLDER = SHIPPED_MODELS


def bundle_folder() -> Path:
    """Folder of the model bundle: the one chosen in the preferences, else the one that ships with the add-on.

    Raises
    ------
    BundleError
        If there is none, or more than one to choose from.
    """
    chosen = chosen_model_folder()
    return installed_bundle(MODELS_FOLDER) if chosen is None else chosen


def shipped_bundle() -> Bundle:
    """The bundle of :func:`bundle_folder`, checked.

    Raises
    ------
    BundleError
        If it is missing, damaged or of another schema.
    """
    return load_bundle(bundle_folder())


def makers_identity() -> str:
    """Engine and bundle whose frames belong together, such as ``2-0123456789abcdef/0123456789abcdef``.

    Quick enough for a panel that is drawn often: the graphs of the bundle are not read (its
    description states their hashes), and the description only when its file has changed.

    Raises
    ------
    BundleError
        If the engine's graphs or the bundle are missing or cannot be read.
    """
    description = bundle_folder() / DESCRIPTION_FILE
    try:
        state = description.stat()
        return f"{engine_identity()}/{_bundle_identity(description, state.st_mtime_ns, state.st_size)[:16]}"
    except OSError as error:
        raise BundleError(
            f"{description} cannot be read: {error.strerror or error}.",
            "Reinstall SkyGen, or choose another model folder in its preferences.",
        ) from error


def model_words(folder: Path) -> str:
    """Name, schema and size of a bundle that is whole, for the preferences; read again only when a file has changed.

    Raises
    ------
    BundleError
        If the bundle is missing, damaged or of another schema.
    """
    paths = (folder / name for name in (DESCRIPTION_FILE, *graph_files(folder)))
    states = tuple((p.stat().st_mtime_ns, p.stat().st_size) if p.is_file() else None for p in paths)
    words = _model_words(folder, states)
    if isinstance(words, BundleError):
        raise words
    return words


def model_name(folder: Path) -> str:
    """Name of a bundle that is whole; errors and cost as those of :func:`model_words`."""
    return model_words(folder).split(",")[0]


@lru_cache(maxsize=4)
def _model_words(folder: Path, states: tuple[tuple[int, int] | None, ...]) -> str | BundleError:
    """:func:`model_words`, or the error that it raises."""
    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        return error
    size_mb = sum(state[1] for state in states if state is not None) / 1e6
    return f"{bundle.name}, schema {ENGINE_SCHEMA}, {size_mb:.1f} MB, {bundle.identity[:12]}"


@lru_cache(maxsize=8)
def _bundle_identity(description: Path, mtime_ns: int, size_bytes: int) -> str:
    """``Bundle.identity`` of the bundle with that description; time and size tell whether it has changed."""
    return hashlib.sha256(description.read_bytes()).hexdigest()


def loop_cells_km(controls: SkyControls) -> tuple[float, float]:
    """Steps in km (low, high) to which the bundle's lattice rounds a loop's displacement."""
    return loop_snap_km(shipped_bundle().lattice, controls)
