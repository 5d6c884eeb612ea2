"""The model bundle: what is learned, and the only contract between trainer and add-on.

A bundle is a folder with ``model.json``, ``field.onnx``, ``shade.onnx``, ``weather.onnx`` and
``MODEL_CARD.md``. This module reads and checks the description and that the graphs are the files
which it describes; the runtime checks each graph against :mod:`.signatures`. No pickles anywhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .description_values import REMEDY, check_finite, check_keys, check_positive, check_text, check_whole, refusal
from .detail import TILE_TEXELS
from .errors import BundleError
from .signatures import ENGINE_SCHEMA, WEATHER_STATE, WINDOW_FACTOR, WINDOW_LEVELS, WINDOW_STEP

GRAPH_FILES = ("field.onnx", "shade.onnx", "weather.onnx")
CARD_FILE = "MODEL_CARD.md"
DESCRIPTION_FILE = "model.json"
SIZE_LIMIT_BYTES = 16 * 1024 * 1024
MAX_NOISE_INPUTS = 63
"""Each draws from a stream of the hash of its own, of which a layer has 64; the last one organises the cover."""

_DESCRIPTION_KEYS = (
    *("schema", "name", "graphs", "lattice", "weather", "disc_size"),
    *("training_manifest_sha256", "licence", "figures"),
)


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

    def __post_init__(self) -> None:
        check_text("lattice.noise.name", self.name, r"noise_\w+", "noise_ and a word")
        check_whole(f"{self.name}.channels", self.channels, 1, 256)
        check_whole(f"{self.name}.size", self.size, 2, 16384, even=True)
        check_whole(f"{self.name}.cell_texels", self.cell_texels, 1, 65536)


@dataclass(frozen=True)
class Lattice:
    """Where the field's windows and noise lie on the cloud plane; what the engine's graphs cannot read is refused."""

    window: int
    """Texels N along each side of a window, a multiple of WINDOW_STEP."""
    levels: int
    """Number L of nested windows, WINDOW_LEVELS."""
    factor: int
    """Texel size ratio of neighbouring windows, WINDOW_FACTOR."""
    texel_km: float
    """Finest texel at texture_scale 1."""
    noise: tuple[NoiseInput, ...]
    """Noise lattices, coarse to fine."""
    condition_size: int
    """Cells along each side of the condition maps, even."""
    condition_cell_texels: int
    """Condition cell size in texels of the finest window."""

    def __post_init__(self) -> None:
        check_whole("lattice.window", self.window, WINDOW_STEP, 16384)
        if self.window % WINDOW_STEP:
            raise refusal("lattice.window", self.window, f"a multiple of {WINDOW_STEP}")
        for name, value, built in (("levels", self.levels, WINDOW_LEVELS), ("factor", self.factor, WINDOW_FACTOR)):
            if type(value) is not int or value != built:
                raise refusal(f"lattice.{name}", value, f"{built}, which is built into the engine's graphs")
        check_positive("lattice.texel_km", self.texel_km, 10)
        check_whole("lattice.condition_size", self.condition_size, 2, 16384, even=True)
        check_whole("lattice.condition_cell_texels", self.condition_cell_texels, 1, 65536)
        names = [n.name for n in self.noise]
        if not 1 <= len(names) <= MAX_NOISE_INPUTS or len(set(names)) != len(names):
            raise refusal("lattice.noise", names, f"from 1 to {MAX_NOISE_INPUTS} inputs of different names")
        cells = {f"The cell of {n.name}": n.cell_texels for n in self.noise}
        cells |= {"lattice.condition_cell_texels": self.condition_cell_texels}
        cells |= {"The widest window's texel": self.factor ** (self.levels - 1)}
        cells |= {"The detail tile": TILE_TEXELS}  # else a loop that closes on the lattice would not close in detail
        for what, cell in cells.items():
            if self.snap_texels % cell:
                raise refusal(what, cell, f"a divisor of {self.snap_texels}, by which windows move")

    @property
    def snap_texels(self) -> int:
        """Step in finest texels by which windows move: the coarsest of all cells."""
        widest: int = self.factor ** (self.levels - 1)
        return max([widest, self.condition_cell_texels, *(n.cell_texels for n in self.noise)])

    def field_sizes(self) -> dict[str, int]:
        """Sizes of the axes that the field's signature names."""
        sizes = {"L": self.levels, "N": self.window, "S_condition": self.condition_size}
        for noise in self.noise:
            sizes |= {f"C_{noise.name}": noise.channels, f"S_{noise.name}": noise.size}
        return sizes


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


def graph_hashes(folder: Path) -> dict[str, str]:
    """sha256 in hexadecimal of each graph file, as ``graphs`` in model.json states them.

    Raises
    ------
    BundleError
        If a file cannot be read.
    """
    hashes = {}
    for name in GRAPH_FILES:
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
        lattice, weather = _lattice(data["lattice"]), _section(WeatherScale, data["weather"], "weather")
    except BundleError as error:
        raise BundleError(f"{path}: {error.message}", error.remedy) from error
    if sum((folder / n).stat().st_size for n in GRAPH_FILES) > SIZE_LIMIT_BYTES:
        raise BundleError(f"The bundle {folder} is larger than 16 MB.", "Export a smaller network.")
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
    )


def _check_description(data: dict[str, Any]) -> None:
    """Everything but the two sections that have classes of their own."""
    check_keys(data, _DESCRIPTION_KEYS, "It")
    check_text("name", data["name"], r"\S(.*\S)?", "a line of text")
    check_text("licence", data["licence"], r"\S(.*\S)?", "a line of text")
    check_text("training_manifest_sha256", data["training_manifest_sha256"], "[0-9a-f]{64}", "a sha256")
    check_whole("disc_size", data["disc_size"], 8, 4096, even=True)
    check_keys(data["graphs"], GRAPH_FILES, "graphs")
    for name, sha256 in data["graphs"].items():
        check_text(f"graphs.{name}", sha256, "[0-9a-f]{64}", "a sha256")
    if not isinstance(data["figures"], dict):
        raise refusal("figures", data["figures"], "an object")
    check_finite("figures", data["figures"])


def _section(cls: type, data: Any, what: str) -> Any:
    """A dataclass of an object that has exactly its fields; lists become tuples."""
    check_keys(data, tuple(f.name for f in dataclasses.fields(cls)), what)
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def _lattice(data: Any) -> Lattice:
    if isinstance(data, dict) and "noise" in data:
        if not isinstance(data["noise"], list):
            raise refusal("lattice.noise", data["noise"], "a list")
        data = {**data, "noise": [_section(NoiseInput, n, "lattice.noise") for n in data["noise"]]}
    lattice = _section(Lattice, data, "lattice")
    assert isinstance(lattice, Lattice)
    return lattice


def _check_graphs(folder: Path, stated: dict[str, str]) -> None:
    wrong = [name for name, sha256 in graph_hashes(folder).items() if sha256 != stated[name]]
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
