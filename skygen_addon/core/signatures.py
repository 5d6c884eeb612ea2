"""Signatures of the exported graphs: names, axes and units of every input and output.

The trainer exports to them, the runtime checks against them. Axes that share a name share a
size. Sizes in capitals are fixed by the bundle's lattice; lower-case ones may change by call.

A layer's cloud volume is L nested square windows of N texels; window l has texels of
``texel_km * factor**l``, all are centred on the lattice origin, row 0 is north. The dome graph
reads them as one *atlas* in which the windows lie below one another, finest first.
"""

from __future__ import annotations

from dataclasses import dataclass

from .request import CLOUD_TYPES

ENGINE_SCHEMA = 1
"""Version of the contracts; a bundle of another schema is refused."""

CONDITION_CHANNELS = ("cover", *CLOUD_TYPES, "grain", "along_cos", "along_sin")
"""Channels of the field's condition maps: cover 0 to 1, type weights that sum to 1, grain -1 (smooth) to 1 (fine),
and the axis along which clouds are stretched: (1 - 1 / stretch) times cosine and sine of twice its azimuth."""
GRAIN_CHANNEL = CONDITION_CHANNELS.index("grain")
"""Of :data:`CONDITION_CHANNELS`; the axis follows."""

SHADE_CHANNELS = (
    "view_depth_low",
    "sun_depth_low",
    "view_depth_high",
    "sun_depth_high",
    "cos_sun_angle",
    "sin_elevation",
    "sin_sun_elevation",
    "log_clear_luminance",
)
"""Channels of the shading network's input; depths as log(1 + optical depth)."""

WEATHER_STATE = ("cover", "density", "grain", "haze")
"""Weather state: logit of cover, log2 of density, grain, log2 of haze, each in units of its training deviation."""

LAYER_SHELLS = (16, 4)
"""Number of shells of the low and of the high layer, evenly spaced from base to base + thickness."""

THICK_LAYER_KM, THICK_LAYER_SHELLS = 2.0, 28
"""A low layer thicker than this has more shells, so that towers do not show them as steps."""

SHELL_COUNTS = (LAYER_SHELLS[1], LAYER_SHELLS[0], THICK_LAYER_SHELLS)
"""Every number of shells for which there is a sunlight graph."""


def layer_shells(layer_index: int, thickness_km: float) -> int:
    """Number of shells of the low (0) or high (1) layer."""
    if layer_index == 0 and thickness_km > THICK_LAYER_KM:
        return THICK_LAYER_SHELLS
    return LAYER_SHELLS[layer_index]


OCCUPANCY_CELL = 4
"""Texels along each side of an occupancy cell."""

WINDOW_LEVELS = 3
"""Nested windows L of every cloud volume: the number is built into the sunlight and dome graphs."""

WINDOW_FACTOR = 4
"""Texel size ratio of neighbouring windows, built into the same graphs."""

WINDOW_STEP = 2 * WINDOW_FACTOR
"""What a window's texels N are a multiple of: a window then covers whole texels in the middle of the next coarser
one, and its occupancy cells are whole."""


@dataclass(frozen=True)
class Tensor:
    """One float32 input or output."""

    name: str
    axes: tuple[str | int, ...]
    unit: str


@dataclass(frozen=True)
class GraphSignature:
    """Inputs and outputs of one graph in order."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def field_signature(noise_names: tuple[str, ...]) -> GraphSignature:
    """CloudField: hashed lattice noise and conditions to a cloud volume.

    ``noise_*`` are standard normal values on lattices of falling cell size; ``shell_height`` is
    0 at the cloud base and 1 at base + thickness; ``extinction`` is optical depth per unit of
    layer thickness, so that its mean over ``k`` is the column's vertical optical depth.
    """
    noise = tuple(Tensor(name, (1, f"C_{name}", f"S_{name}", f"S_{name}"), "standard normal") for name in noise_names)
    return GraphSignature(
        "field",
        (
            *noise,
            Tensor("condition", (1, len(CONDITION_CHANNELS), "S_condition", "S_condition"), "CONDITION_CHANNELS"),
            Tensor("shell_height", ("k",), "fraction of thickness"),
        ),
        (Tensor("extinction", ("L", "k", "N", "N"), "optical depth per layer thickness"),),
    )


SHADE = GraphSignature(
    "shade",
    (Tensor("features", (1, len(SHADE_CHANNELS), "D", "D"), "SHADE_CHANNELS on the sky disc"),),
    (Tensor("log_correction", (1, 3, "D", "D"), "natural log of radiance ratio, RGB"),),
)

WEATHER = GraphSignature(
    "weather",
    (
        Tensor("state", (1, len(WEATHER_STATE)), "WEATHER_STATE deviations from the target"),
        Tensor("hidden", (1, "H"), "LSTM hidden state"),
        Tensor("cell", (1, "H"), "LSTM cell state"),
        Tensor("innovation", (1, len(WEATHER_STATE)), "standard normal"),
    ),
    (
        Tensor("next_state", (1, len(WEATHER_STATE)), "WEATHER_STATE deviations from the target"),
        Tensor("next_hidden", (1, "H"), "LSTM hidden state"),
        Tensor("next_cell", (1, "H"), "LSTM cell state"),
    ),
)

SUNLIGHT = GraphSignature(
    "sunlight",
    (
        Tensor("extinction", ("L", "k", "N", "N"), "1/km"),
        Tensor("shell_km", ("k",), "height above the camera"),
        Tensor("texel_km", (), "finest texel"),
        Tensor("plane_matrix", (2, 2), "plane to lattice, unitless"),
        Tensor("plane_offset_km", (2,), "camera in the window, on the lattice, east and north"),
        Tensor("sun_direction", (3,), "unit vector at the clouds"),
    ),
    (
        Tensor("fill", (1, 1, "kLN", "N"), "share of the column's greatest extinction, shells below one another"),
        Tensor("greatest", (1, 1, "LN", "N"), "greatest extinction of the column, 1/km"),
        Tensor("sun_depth", (1, 1, "kLM", "M"), "optical depth toward the sun, every second texel"),
        Tensor("zenith_depth", (1, 1, "kLM", "M"), "optical depth straight up, every second texel"),
        Tensor("occupancy", ("g", 1, "Ln", "n"), "greatest fill in and around cells of OCCUPANCY_CELL texels"),
    ),
)

DOME = GraphSignature(
    "dome",
    (
        Tensor("direction", ("h", "w", 3), "unit vector"),
        Tensor("footprint_rad", (), "angle of one output pixel"),
        Tensor("fill", (1, 1, "kLN", "N"), "the sunlight graph's output"),
        Tensor("greatest", (1, 1, "LN", "N"), "the sunlight graph's output"),
        Tensor("sun_table", (1, 1, "kLM", "M"), "the sunlight graph's sun_depth"),
        Tensor("zenith_table", (1, 1, "kLM", "M"), "the sunlight graph's zenith_depth"),
        Tensor("occupancy", ("g", 1, "Ln", "n"), "the sunlight graph's output"),
        Tensor("detail", (1, "c", "d", "d"), "tileable detail octaves, zero mean, unit variance, see core.detail"),
        Tensor("detail_strength", (), "0 turns detail off"),
        Tensor("shell_km", ("k",), "height above the camera"),
        Tensor("texel_km", (), "finest texel"),
        Tensor("plane_matrix", (2, 2), "plane to lattice, unitless"),
        Tensor("plane_offset_km", (2,), "camera in the window, on the lattice, east and north"),
        Tensor("detail_offset_km", (2,), "camera on the detail tile, east and north"),
        Tensor("substep", ("m",), "places of samples between two shells, 0 to 1"),
        Tensor("sun_direction", (3,), "unit vector"),
    ),
    (
        Tensor("view_depth", ("h", "w"), "optical depth along the ray"),
        Tensor("sun_scatter", ("h", "w"), "radiance per unit of normal sun irradiance, 1/sr"),
        Tensor("sky_scatter", ("h", "w"), "radiance per unit of mean sky radiance above"),
        Tensor("ground_scatter", ("h", "w"), "radiance per unit of mean radiance from below"),
        Tensor("distance_km", ("h", "w"), "mean distance of the scattered light"),
        Tensor("sun_depth", ("h", "w"), "mean optical depth toward the sun of the scattered light"),
    ),
)

COMPOSE = GraphSignature(
    "compose",
    (
        Tensor("direction", ("h", "w", 3), "unit vector"),
        Tensor(
            "sky_view",
            (1, 6, "e", "a"),
            "clear-sky radiance, RGB without the aureole and RGB of the aureole over "
            "its phase function, see core.atmosphere",
        ),
        Tensor("low", (6, "h", "w"), "the dome graph's outputs of the low layer, in order"),
        Tensor("high", (6, "h", "w"), "the dome graph's outputs of the high layer, in order"),
        Tensor("log_correction", (1, 3, "D", "D"), "the shade graph's output"),
        Tensor("sun_direction", (3,), "unit vector"),
        Tensor(
            "light", (6, 3), "RGB rows: sun irradiance, mean sky radiance, mean ground radiance; low then high layer"
        ),
        Tensor("air", (2, 4), "rows Rayleigh and aerosol: extinction RGB in 1/km at the ground, scale height in km"),
        Tensor("ground_radiance", (3,), "RGB radiance of the ground"),
        Tensor("air_light", (), "light in the air below the clouds relative to the clear sky, with its directions"),
        Tensor("sun_share", (), "mean transmittance of sunlight to the air below the clouds"),
        Tensor("air_glow", (3,), "RGB radiance of thick air below the clouds, the same from all sides"),
        Tensor("ceiling_km", (), "height up to which air lies below the clouds; 0 without any"),
        Tensor("sun_irradiance", (3,), "RGB, across the beam at the ground, as if there were no clouds"),
        Tensor("footprint_rad", (), "angle of one output pixel"),
        Tensor("exposure", (3,), "RGB factor of all radiance: exposure and white balance"),
    ),
    (Tensor("radiance", ("h", "w", 3), "linear Rec.709"),),
)

FIXED_GRAPHS = (SUNLIGHT, DOME, COMPOSE)
"""Graphs that belong to the engine and ship in ``skygen_addon/graphs``."""
