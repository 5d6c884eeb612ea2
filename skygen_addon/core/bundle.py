"""The model bundle: what is learned, and the only contract between trainer and add-on.

A bundle is a folder with ``model.json``, ``field.onnx``, ``shade.onnx``, ``weather.onnx`` and
``MODEL_CARD.md``. This module reads and checks the description; the runtime checks each graph
against :mod:`.signatures`. No pickles anywhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BundleError
from .signatures import ENGINE_SCHEMA

GRAPH_FILES = ("field.onnx", "shade.onnx", "weather.onnx")
CARD_FILE = "MODEL_CARD.md"
DESCRIPTION_FILE = "model.json"
SIZE_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class NoiseInput:
    """One noise lattice of the field graph, centred on the window."""

    name: str
    """Input name in field.onnx."""
    channels: int
    """Independent values per cell."""
    size: int
    """Cells along each side, even."""
    cell_texels: int
    """Cell size in texels of the finest window."""


@dataclass(frozen=True)
class Lattice:
    """Where the field's windows and noise lie on the cloud plane."""

    window: int
    """Texels N along each side of a window."""
    levels: int
    """Number L of nested windows."""
    factor: int
    """Texel size ratio of neighbouring windows."""
    texel_km: float
    """Finest texel at texture_scale 1."""
    noise: tuple[NoiseInput, ...]
    """Noise lattices, coarse to fine."""
    condition_size: int
    """Cells along each side of the condition maps."""
    condition_cell_texels: int
    """Condition cell size in texels of the finest window."""

    @property
    def snap_texels(self) -> int:
        """Step in finest texels by which windows move: the coarsest of all cells."""
        widest: int = self.factor ** (self.levels - 1)
        return max([widest, self.condition_cell_texels, *(n.cell_texels for n in self.noise)])


@dataclass(frozen=True)
class WeatherScale:
    """How weather states are measured in the network's units."""

    step_s: float
    """Sky time of one LSTM step."""
    hidden: int
    """Width H of the LSTM."""
    deviation: tuple[float, ...]
    """Standard deviation of each WEATHER_STATE channel in the training series."""
    warmup_steps: int
    """Steps after which the start state is forgotten."""


@dataclass(frozen=True)
class Bundle:
    """A checked bundle description."""

    folder: Path
    name: str
    identity: str
    """sha256 over description and graphs; two bundles with one identity make one sky."""
    lattice: Lattice
    weather: WeatherScale
    disc_size: int
    """Width D of the disc on which the shading network runs."""
    training_manifest_sha256: str
    licence: str
    figures: dict[str, Any]
    """Measured figures, as printed in the model card."""


def _section(cls: type, data: Any, what: str) -> Any:
    if not isinstance(data, dict):
        raise BundleError(f"{what} is missing or not an object.", "Export the bundle again.")
    names = [f.name for f in dataclasses.fields(cls)]
    if sorted(data) != sorted(names):
        raise BundleError(f"{what} has keys {sorted(data)}, expected {sorted(names)}.", "Export the bundle again.")
    for name, value in data.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise BundleError(f"{what}.{name} is not finite.", "Export the bundle again.")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def bundle_identity(folder: Path) -> str:
    """sha256 in hexadecimal over model.json and the graphs, in a fixed order."""
    digest = hashlib.sha256()
    for name in (DESCRIPTION_FILE, *GRAPH_FILES):
        digest.update(name.encode())
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def load_bundle(folder: Path) -> Bundle:
    """Read and check a bundle folder.

    Raises
    ------
    BundleError
        If a file is missing or damaged, the schema is another, or sizes do not fit together.
    """
    remedy = "Reinstall SkyGen or choose another model folder."
    missing = [n for n in (DESCRIPTION_FILE, *GRAPH_FILES, CARD_FILE) if not (folder / n).is_file()]
    if missing:
        raise BundleError(f"The bundle {folder} lacks {', '.join(missing)}.", remedy)
    try:
        data = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / DESCRIPTION_FILE} cannot be read: {error}.", remedy) from error
    if not isinstance(data, dict):
        raise BundleError(f"{folder / DESCRIPTION_FILE} is not a JSON object.", remedy)
    if data.get("schema") != ENGINE_SCHEMA:
        raise BundleError(
            f"The bundle {folder} has schema {data.get('schema')!r}; this engine reads {ENGINE_SCHEMA}.",
            "Install the SkyGen version that the bundle was made for, or export it again.",
        )
    lattice_data = dict(data.get("lattice") or {})
    noise = tuple(_section(NoiseInput, n, "lattice.noise") for n in lattice_data.pop("noise", []))
    lattice = _section(Lattice, {**lattice_data, "noise": list(noise)}, "lattice")
    weather = _section(WeatherScale, data.get("weather"), "weather")
    if not noise or any(n.size % 2 for n in noise) or lattice.window % 2:
        raise BundleError(f"The lattice of {folder} has no noise or odd sizes.", "Export the bundle again.")
    if sum((folder / n).stat().st_size for n in GRAPH_FILES) > SIZE_LIMIT_BYTES:
        raise BundleError(f"The bundle {folder} is larger than 16 MB.", "Export a smaller network.")
    try:
        return Bundle(
            folder=folder,
            name=str(data["name"]),
            identity=bundle_identity(folder),
            lattice=lattice,
            weather=weather,
            disc_size=int(data["disc_size"]),
            training_manifest_sha256=str(data["training_manifest_sha256"]),
            licence=str(data["licence"]),
            figures=dict(data["figures"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder / DESCRIPTION_FILE} lacks or misstates {error}.", "Export the bundle again."
        ) from error


SHIPPED_MODELS = Path(__file__).resolve().parent.parent / "models"


def installed_bundle(models: Path = SHIPPED_MODELS) -> Path:
    """Folder of the one bundle that ships with the engine.

    Raises
    ------
    BundleError
        If there is none, or more than one to choose from.
    """
    folders = sorted(p.parent for p in models.glob(f"*/{DESCRIPTION_FILE}"))
    if not folders:
        raise BundleError(f"There is no model bundle in {models}.", "Reinstall SkyGen or choose a model folder.")
    if len(folders) > 1:
        names = ", ".join(f.name for f in folders)
        raise BundleError(f"There are several model bundles in {models}: {names}.", "Choose one of these folders.")
    return folders[0]
