"""The engine's model as the add-on sees it: where it is, and what its lattice asks of a loop."""

from __future__ import annotations

from pathlib import Path

from ..core.bundle import SHIPPED_MODELS, Bundle, installed_bundle, load_bundle
from ..core.controls import SkyControls
from ..core.timeline import loop_snap_km

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


def loop_cells_km(controls: SkyControls) -> tuple[float, float]:
    """Steps in km (low, high) to which the bundle's lattice rounds a loop's displacement."""
    return loop_snap_km(shipped_bundle().lattice, controls)
