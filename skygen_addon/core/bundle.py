"""The model bundle: what is learned, and the only contract between trainer and add-on.

A bundle is a folder with ``model.json``, ``field.onnx``, ``shade.onnx``, ``weather.onnx`` and
``MODEL_CARD.md``; with ``field_draft.onnx``, the field on smaller windows, drafts take less time.
This module reads and checks the description and that the graphs are the files which it describes;
the runtime checks each graph against :mod:`.signatures`. No pickles anywhere.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .description_values import (
    REMEDY,
    check_finite,
    check_keys,
    check_positive,
    check_text,
    check_whole,
    refusal,
    section,
)
from .errors import BundleError
from .field_lattice import DRAFT_LATTICE_KEY, Lattice, read_draft_lattice, read_lattice
from .signatures import ENGINE_SCHEMA, WEATHER_STATE

GRAPH_FILES = ("field.onnx", "shade.onnx", "weather.onnx")
DRAFT_FIELD = "field_draft.onnx"
"""The field with the same weights on a lattice of its own, ``draft_lattice`` in model.json; both or neither."""
CARD_FILE = "MODEL_CARD.md"
DESCRIPTION_FILE = "model.json"
SIZE_LIMIT_BYTES = 16 * 1024 * 1024

_DESCRIPTION_KEYS = (
    *("schema", "name", "graphs", "lattice", "weather", "disc_size"),
    *("training_manifest_sha256", "licence", "figures"),
)


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

    def __post_init__(self) -> None:
        check_positive("weather.step_s", self.step_s, 86400)
        check_whole("weather.hidden", self.hidden, 1, 4096)
        check_whole("weather.warmup_steps", self.warmup_steps, 1, 100_000)
        if not isinstance(self.deviation, tuple) or len(self.deviation) != len(WEATHER_STATE):
            raise refusal("weather.deviation", self.deviation, f"one number for each of {', '.join(WEATHER_STATE)}")
        for channel, deviation in zip(WEATHER_STATE, self.deviation, strict=True):
            check_positive(f"weather.deviation of {channel}", deviation, 100)


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
    draft_lattice: Lattice | None = None
    """That of ``field_draft.onnx``: :attr:`lattice` with smaller windows."""


def graph_files(folder: Path) -> tuple[str, ...]:
    """Names of the graph files that a bundle's folder holds, or should hold."""
    return (*GRAPH_FILES, DRAFT_FIELD) if (folder / DRAFT_FIELD).is_file() else GRAPH_FILES


def graph_hashes(folder: Path) -> dict[str, str]:
    """sha256 in hexadecimal of each graph file, as ``graphs`` in model.json states them.

    Raises
    ------
    BundleError
        If a file cannot be read.
    """
    hashes = {}
    for name in graph_files(folder):
        try:
            hashes[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise BundleError(f"{folder / name} cannot be read: {error}.", REMEDY) from error
    return hashes


def load_bundle(folder: Path) -> Bundle:
    """Read and check a bundle folder.

    Raises
    ------
    BundleError
        If a file is missing, damaged or not the one that model.json describes, the schema is
        another, or a value is missing, unknown, of the wrong kind or out of range.
    """
    path = folder / DESCRIPTION_FILE
    missing = [n for n in (DESCRIPTION_FILE, *GRAPH_FILES, CARD_FILE) if not (folder / n).is_file()]
    if missing:
        raise BundleError(
            f"The bundle {folder} lacks {', '.join(missing)}.", "Reinstall SkyGen or choose another model folder."
        )
    try:
        text = path.read_bytes()
        data = json.loads(text.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}.", REMEDY) from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} is not a JSON object.", REMEDY)
    schema = data.get("schema")
    if type(schema) is not int or schema != ENGINE_SCHEMA:
        raise BundleError(
            f"The bundle {folder} has schema {reprlib.repr(schema)}; this engine reads {ENGINE_SCHEMA}.",
            "Install the SkyGen version that the bundle was made for, or export it again.",
        )
    try:
        _check_description(data)
        lattice, weather = read_lattice(data["lattice"]), section(WeatherScale, data["weather"], "weather")
        draft_lattice = read_draft_lattice(data, lattice)
    except BundleError as error:
        raise BundleError(f"{path}: {error.message}", error.remedy) from error
    if sum((folder / n).stat().st_size for n in graph_files(folder)) > SIZE_LIMIT_BYTES:
        raise BundleError(f"The bundle {folder} is larger than 16 MB.", "Export a smaller network.")
    if draft_lattice is not None and not (folder / DRAFT_FIELD).is_file():
        raise BundleError(
            f"The bundle {folder} lacks {DRAFT_FIELD}.", "Reinstall SkyGen or choose another model folder."
        )
    _check_graphs(folder, data["graphs"])
    return Bundle(
        folder=folder,
        name=data["name"],
        identity=hashlib.sha256(text).hexdigest(),  # model.json states the sha256 of every graph
        lattice=lattice,
        weather=weather,
        disc_size=data["disc_size"],
        training_manifest_sha256=data["training_manifest_sha256"],
        licence=data["licence"],
        figures=data["figures"],
        draft_lattice=draft_lattice,
    )


def _check_description(data: dict[str, Any]) -> None:
    """Everything but the two sections that have classes of their own."""
    with_draft = DRAFT_LATTICE_KEY in data
    check_keys(data, (*_DESCRIPTION_KEYS, DRAFT_LATTICE_KEY) if with_draft else _DESCRIPTION_KEYS, "It")
    check_text("name", data["name"], r"\S(.*\S)?", "a line of text")
    check_text("licence", data["licence"], r"\S(.*\S)?", "a line of text")
    check_text("training_manifest_sha256", data["training_manifest_sha256"], "[0-9a-f]{64}", "a sha256")
    check_whole("disc_size", data["disc_size"], 8, 4096, even=True)
    check_keys(data["graphs"], (*GRAPH_FILES, DRAFT_FIELD) if with_draft else GRAPH_FILES, "graphs")
    for name, sha256 in data["graphs"].items():
        check_text(f"graphs.{name}", sha256, "[0-9a-f]{64}", "a sha256")
    if not isinstance(data["figures"], dict):
        raise refusal("figures", data["figures"], "an object")
    check_finite("figures", data["figures"])


def _check_graphs(folder: Path, stated: dict[str, str]) -> None:
    found = graph_hashes(folder)
    wrong = [name for name in sorted({*stated, *found}) if found.get(name) != stated.get(name)]
    if wrong:
        verb = "is not the file" if len(wrong) == 1 else "are not the files"
        raise BundleError(
            f"{', '.join(wrong)} of {folder} {verb} that {DESCRIPTION_FILE} describes: damaged, or of another bundle.",
            "Reinstall SkyGen, or copy the whole bundle folder again.",
        )


SHIPPED_MODELS = Path(__file__).resolve().parent.parent / "models"


def installed_bundle(models: Path = SHIPPED_MODELS) -> Path:
    """Folder of the one bundle that ships with the engine; folders that an export has not finished are hidden.

    Raises
    ------
    BundleError
        If there is none, or more than one to choose from.
    """
    folders = sorted(p.parent for p in models.glob(f"*/{DESCRIPTION_FILE}") if not p.parent.name.startswith("."))
    if not folders:
        raise BundleError(f"There is no model bundle in {models}.", "Reinstall SkyGen or choose a model folder.")
    if len(folders) > 1:
        names = ", ".join(f.name for f in folders)
        raise BundleError(f"There are several model bundles in {models}: {names}.", "Choose one of these folders.")
    return folders[0]
