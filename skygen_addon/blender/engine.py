"""The engine as the add-on sees it: where its model is, and importing the runtime only when a frame is baked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.bundle import SHIPPED_MODELS, Bundle, installed_bundle, load_bundle
from ..core.controls import SkyControls
from ..core.errors import SkyGenError
from ..core.job import SkyJob
from ..core.timeline import loop_snap_km

if TYPE_CHECKING:
    from ..runtime.bake import BakeResult, Progress

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


def run_job(
    job: SkyJob,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    skip_existing: bool = False,
    should_cancel: Callable[[], bool] | None = None,
    record: bool = True,
) -> BakeResult:
    """Bake a job with the bundle that ships with the add-on; touches no Blender data, so any thread may run it.

    The runtime's libraries are loaded here and not before, so that a library that this machine
    cannot load costs the bake and not the add-on. Parameters as in :func:`runtime.bake.bake`.

    Raises
    ------
    SkyGenError
        If a library cannot be loaded, or as raised by the bake.
    """
    try:
        from ..runtime.bake import bake

        return bake(
            job,
            bundle_folder(),
            on_progress=on_progress,
            skip_existing=skip_existing,
            should_cancel=should_cancel,
            record=record,
        )
    except ImportError as error:
        raise SkyGenError(
            f"A library that SkyGen brings along cannot be loaded: {error}.",
            "Reinstall the extension for this platform and Blender version, then restart Blender.",
        ) from error
