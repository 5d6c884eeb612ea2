"""The engine and its model as the add-on sees them: where they are, which they are, what a loop is asked for."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from ..core.bundle import DESCRIPTION_FILE, SHIPPED_MODELS, Bundle, installed_bundle, load_bundle
from ..core.controls import SkyControls
from ..core.engine_identity import engine_identity
from ..core.errors import BundleError
from ..core.loop import loop_snap_km

MODELS_FOLDER = SHIPPED_MODELS


def bundle_folder() -> Path:
    """Folder of the model bundle that ships with the add-on.

    Raises
    ------
    BundleError
        If there is none, or more than one to choose from.
    """
    return installed_bundle(MODELS_FOLDER)


def shipped_bundle() -> Bundle:
    """The bundle that ships with the add-on, checked.

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
        raise BundleError(f"{description} cannot be read: {error}.", "Reinstall SkyGen.") from error


@lru_cache(maxsize=8)
def _bundle_identity(description: Path, mtime_ns: int, size_bytes: int) -> str:
    """``Bundle.identity`` of the bundle with that description; time and size tell whether it has changed."""
    return hashlib.sha256(description.read_bytes()).hexdigest()


def loop_cells_km(controls: SkyControls) -> tuple[float, float]:
    """Steps in km (low, high) to which the bundle's lattice rounds a loop's displacement."""
    return loop_snap_km(shipped_bundle().lattice, controls)
