"""The lattice of a bundle's field: where its windows and its noise lie on the cloud plane.

``lattice`` in model.json is that of ``field.onnx``; ``draft_lattice``, with smaller windows, that of
``field_draft.onnx``.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, fields, replace
from typing import Any

from .description_values import check_positive, check_text, check_whole, refusal, section
from .detail import TILE_TEXELS
from .errors import BundleError
from .signatures import WINDOW_FACTOR, WINDOW_LEVELS, WINDOW_STEP

DRAFT_LATTICE_KEY = "draft_lattice"
"""In model.json."""
DRAFT_SHARE = 2
"""A draft sees this share of the windows' sides, around the camera, which stands up to half a snap off their centre."""
MAX_NOISE_INPUTS = 63
"""Each draws from a stream of the hash of its own, of which a layer has 64; the last one organises the cover."""


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


def read_draft_lattice(data: dict[str, Any], whole: Lattice) -> Lattice | None:
    """The lattice of drafts that a description states, or None. Raises BundleError unless only its sizes are others."""
    if DRAFT_LATTICE_KEY not in data:
        return None
    try:
        draft = read_lattice(data[DRAFT_LATTICE_KEY], DRAFT_LATTICE_KEY)
    except BundleError as error:
        raise BundleError(f"{DRAFT_LATTICE_KEY}: {error.message}", error.remedy) from error
    least = min(whole.window // DRAFT_SHARE + whole.snap_texels, whole.window)
    if not least <= draft.window <= whole.window:
        raise refusal(f"{DRAFT_LATTICE_KEY}.window", draft.window, f"from {least} to {whole.window}")
    for field in fields(Lattice):
        found, expected = (getattr(_but_sizes(one), field.name) for one in (draft, whole))
        if found != expected:
            raise refusal(f"{DRAFT_LATTICE_KEY}.{field.name}", found, f"that of lattice, {reprlib.repr(expected)}")
    return draft


def _but_sizes(lattice: Lattice) -> Lattice:
    """What is left of a lattice if its sizes do not count."""
    noise = tuple(replace(n, size=2) for n in lattice.noise)
    return replace(lattice, window=WINDOW_STEP, condition_size=2, noise=noise)


def read_lattice(data: Any, what: str = "lattice") -> Lattice:
    """A lattice that a description states. Raises BundleError if a value is missing, unknown or out of range."""
    if isinstance(data, dict) and "noise" in data:
        if not isinstance(data["noise"], list):
            raise refusal(f"{what}.noise", data["noise"], "a list")
        data = {**data, "noise": [section(NoiseInput, n, f"{what}.noise") for n in data["noise"]]}
    lattice = section(Lattice, data, what)
    assert isinstance(lattice, Lattice)
    return lattice
