"""One simulated sky: what shading sees, what the formula says, and what the reference says."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skygen_addon.core.air import Air
from skygen_addon.core.atmosphere import ClearSky, clear_sky, sky_view_coordinates
from skygen_addon.core.detail import CHANNELS as DETAIL_CHANNELS
from skygen_addon.core.errors import SkyGenError
from skygen_addon.core.geometry import REC709_LUMINANCE, FloatArray, direction_from_angles, disc_directions
from skygen_addon.core.request import SkyRequest
from skygen_addon.core.shade_features import shade_features
from skygen_addon.core.signatures import WINDOW_FACTOR
from skygen_addon.core.whole_file import whole_file
from skygen_addon.runtime.clouds.layers import AROUND_SHARE, around_camera_weights
from skygen_addon.runtime.frame.shading import DISC_SUBSTEPS
from trainer.networks.dome import Dome
from trainer.networks.shade import CELL
from trainer.networks.sunlight import dome_tables

from .cloud_volume import CloudVolume
from .reference import TraceOptions, trace_reference
from .volume_states import SkyState, VolumeMaker

FORMAT = 3
"""Version of the shards: of their arrays, and of the engine's light and the tracing that fill them."""
_HELD_OUT_OF_20 = 3
"""Skies of every twenty that are held out."""


def is_held_out(index: int) -> bool:
    """Whether training leaves sky ``index`` of a series out and is judged by it."""
    return (7 * index) % 20 < _HELD_OUT_OF_20


@dataclass(frozen=True)
class SimulatedSky:
    """A labelled sky on a disc of D pixels and n = D / CELL cells."""

    features: NDArray[np.float16]
    """(8, D, D) SHADE_CHANNELS."""
    formula: FloatArray
    """(6, n, n) scatter per unit light by the dome's formula: low sun, sky, ground, then high; the
    high layer's as seen through the low one."""
    reference: FloatArray
    """(6, n, n) the same, path traced."""
    opacity: FloatArray
    """(n, n) one minus the transmittance of both layers."""
    light: FloatArray
    """(6, 3) RGB light rows of signatures.COMPOSE."""
    state: dict[str, Any]
    """Request and grain, for people and for drawing the sky again."""

    def cloud_light(self, name: str) -> torch.Tensor:
        """Radiance (3, n, n) of both layers under the sky's own light, by "formula" or "reference"."""
        scatter = torch.from_numpy(getattr(self, name))  # 6 n n
        return torch.einsum("lij,lc->cij", scatter, torch.from_numpy(self.light))

    def save(self, path: Path) -> None:
        """Write one npz file, whole or not at all."""
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                format=FORMAT,
                features=self.features,
                formula=self.formula,
                reference=self.reference,
                opacity=self.opacity,
                light=self.light,
                state=json.dumps(self.state),
            )


def load_sky(path: Path) -> SimulatedSky:
    """Read a file written by :meth:`SimulatedSky.save`.

    Raises
    ------
    SkyGenError
        If the file is damaged or of another format.
    """
    remedy = "Delete it and run `python -m trainer simulate` again."
    try:
        with np.load(path, allow_pickle=False) as data:
            if int(data["format"]) != FORMAT:
                raise SkyGenError(f"{path} has format {int(data['format'])}, expected {FORMAT}.", remedy)
            state = json.loads(str(data["state"]))
            return SimulatedSky(
                data["features"], data["formula"], data["reference"], data["opacity"], data["light"], state
            )
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise SkyGenError(f"{path} cannot be read: {error}.", remedy) from error


def simulate_sky(maker: VolumeMaker, state: SkyState, disc: int, options: TraceOptions) -> SimulatedSky:
    """Draw one state; ``disc`` is D, a multiple of 4 * CELL."""
    request = state.request
    direction = disc_directions(disc)
    above = direction[..., 2] > 0
    empty = torch.zeros(6, disc, disc)
    domes, traced, volumes = [], [], []
    for index in range(2):
        volume = maker.layer(state, index)
        volumes.append(volume)
        if volume is None:
            domes.append(empty)
            traced.append(empty[:3])
            continue
        domes.append(disc_dome(volume, torch.from_numpy(direction)))
        seed = 2 * request.seed + index
        rays = trace_reference(volume, torch.from_numpy(direction[above]), options, seed)
        maps = torch.zeros(3, disc, disc)
        maps[:, torch.from_numpy(above)] = torch.stack([rays.sun_scatter, rays.sky_scatter, rays.ground_scatter])
        traced.append(maps)
    through = torch.exp(-domes[0][0])
    formula = torch.cat([domes[0][1:4], domes[1][1:4] * through])
    reference = torch.cat([traced[0], traced[1] * through])
    transmittance = through * torch.exp(-domes[1][0])
    inside = torch.from_numpy(above.astype(np.float32))

    sky = clear_sky(request.sun_elevation_rad, Air(haze=request.haze, ground_albedo=request.ground_albedo))
    sun_direction = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad).astype(np.float32)
    clear = clear_disc(sky, direction, sun_direction)
    features = shade_features(direction, domes[0].numpy(), domes[1].numpy(), sun_direction, clear @ REC709_LUMINANCE)
    light = light_rows(state, sky, volumes, formula.numpy(), transmittance.numpy(), clear, direction)
    return SimulatedSky(
        features=features[0].astype(np.float16),
        formula=_cells(formula * inside),
        reference=_cells(reference * inside),
        opacity=_cells(((1 - transmittance) * inside)[None])[0],
        light=light,
        state={"request": request.to_dict(), "grain": state.grain},
    )


def _cells(maps: torch.Tensor) -> FloatArray:
    """Mean over cells, (c, n, n)."""
    pooled: FloatArray = torch.nn.functional.avg_pool2d(maps, CELL).numpy()
    return pooled


def disc_dome(
    volume: CloudVolume, direction: torch.Tensor, substeps: int = DISC_SUBSTEPS, *, repeat: bool = False
) -> torch.Tensor:
    """The dome's six outputs (6, h, w), without detail, of directions (h, w, 3).

    ``substeps`` is the number of samples between two shells, ``repeat`` that of the volume.
    """
    substep = (torch.arange(substeps) + 0.5) / substeps
    rows = []
    tables = dome_tables(volume.atlas)
    with torch.no_grad():
        for part in torch.split(direction, max(1, 32 * DISC_SUBSTEPS // substeps)):
            outputs = Dome(repeat=repeat)(
                part,
                torch.tensor(2.0 / direction.shape[0]),
                *tables,
                torch.zeros(1, DETAIL_CHANNELS, 3, 3),
                torch.tensor(0.0),
                volume.shell_km,
                volume.texel_km,
                volume.plane_matrix,
                volume.plane_offset_km,
                torch.zeros(2),
                substep,
                volume.sun_direction,
            )
            rows.append(torch.stack(outputs))
    return torch.cat(rows, dim=1)


def clear_disc(sky: ClearSky, direction: FloatArray, sun_direction: FloatArray) -> FloatArray:
    """Clear-sky radiance (D, D, 3) on the disc, bilinear in the sky-view table."""
    u, v = sky_view_coordinates(direction, sun_direction)
    table = torch.from_numpy(np.ascontiguousarray(sky.radiance.transpose(2, 0, 1)))[None]
    grid = torch.from_numpy(np.stack([u * 2 - 1, v * 2 - 1], axis=-1).astype(np.float32))[None]
    sample = torch.nn.functional.grid_sample(table, grid, mode="bilinear", padding_mode="border", align_corners=True)
    result: FloatArray = sample[0].permute(1, 2, 0).numpy()
    return result


def light_rows(
    state: SkyState,
    sky: ClearSky,
    volumes: list[CloudVolume | None],
    formula: FloatArray,
    transmittance: FloatArray,
    clear: FloatArray,
    direction: FloatArray,
) -> FloatArray:
    """RGB light (6, 3) on both layers, settled with the light that the ground sends back, as in runtime.frame.frame."""
    request = state.request
    through = sun_shares(volumes)
    light = light_from_above(request, sky, through[1])
    weight = horizontal_weights(direction)
    direct = sky.sun_irradiance * max(float(np.sin(request.sun_elevation_rad)), 0.0)
    irradiance = direct * through[0] * through[1] + sky.sky_irradiance
    for _ in range(2):
        light[2] = light[5] = np.asarray(request.ground_albedo) / np.pi * irradiance
        radiance = np.tensordot(formula, light, axes=(0, 0)) + transmittance[..., None] * clear  # D D 3
        irradiance = direct * through[0] * through[1] + (radiance * weight[..., None]).sum((0, 1))
    return light


def sun_shares(volumes: Sequence[CloudVolume | None]) -> list[float]:
    """Mean transmittance of sunlight through each layer around the camera."""
    return [1.0 if volume is None else _mean_transmittance(volume, 1) for volume in volumes]


def vertical_transmittance(volumes: Sequence[CloudVolume | None]) -> float:
    """Mean transmittance straight up through all layers around the camera."""
    return math.prod(_mean_transmittance(volume, 2) for volume in volumes if volume)


def light_from_above(request: SkyRequest, sky: ClearSky, through_high: float) -> FloatArray:
    """RGB light (6, 3), rows of signatures.COMPOSE; those of the ground are still 0."""
    light = np.zeros((6, 3), dtype=np.float32)
    for index, layer in enumerate((request.low, request.high)):
        middle_km = layer.base_km + 0.5 * layer.thickness_km
        light[3 * index] = sky.sun_irradiance_at(middle_km) * (through_high if index == 0 else 1.0)
        light[3 * index + 1] = sky.sky_mean_radiance_at(middle_km)
    return light


def horizontal_weights(direction: FloatArray) -> FloatArray:
    """Solid angle times sine of elevation (D, D) of the pixels of a disc; 0 below the horizon."""
    r2 = np.square(direction[..., :2] / (1 + direction[..., 2:])).sum(-1)
    size = direction.shape[0]
    return np.where(direction[..., 2] > 0, (4.0 / size**2) * 4 / (1 + r2) ** 2 * direction[..., 2], 0.0)


def _mean_transmittance(volume: CloudVolume, channel: int) -> float:
    """Of the depths in a channel of the atlas from the lowest shell, as in runtime.layers."""
    size, texel_km = volume.window, float(volume.texel_km) * WINDOW_FACTOR
    weights = around_camera_weights(size, volume.plane_offset_km.cpu().numpy() / texel_km, AROUND_SHARE)
    through = torch.exp(-volume.atlas[0, channel, size : 2 * size]).cpu().numpy()
    return float((through * weights).sum())
