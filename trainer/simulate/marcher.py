"""The fast marcher: a sky state to a finished sky disc, without detail, correction and the sun's disc.

It is no second formula: the engine's own Dome and Compose, with so many samples between two
shells that more change nothing. What the formula gets wrong against the path tracer is stated by
:mod:`.formula_error`. Windows repeat beyond their rim as in the engine, so clouds reach the horizon.

Everything runs on one device: the networks' modules make small constants without naming a device,
so they are run inside ``torch.device(...)``, which makes them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skygen_addon.core.air import Air
from skygen_addon.core.air_below import air_below, ceiling_km, opening
from skygen_addon.core.atmosphere import ClearSky, clear_sky
from skygen_addon.core.errors import RequestError
from skygen_addon.core.geometry import FloatArray, direction_from_angles, disc_directions
from skygen_addon.core.request import SkyRequest
from trainer.networks.compose import Compose

from .cloud_volume import CloudVolume
from .lattice_volumes import LatticeVolumes
from .simulated_sky import disc_dome, horizontal_weights, light_from_above, sun_shares, vertical_transmittance
from .volume_states import SkyState

SUBSTEPS = 16
"""Samples between two shells: the most that the engine takes."""
DEVICES = ("cpu", "cuda", "mps")
"""Kinds of device that can hold a sky; torch knows more, such as one that only computes shapes."""
SETTLING_ROUNDS = 2
"""How often ground and clouds exchange light, as in runtime.frame.frame."""


@dataclass(frozen=True)
class MarchedSky:
    """A finished sky disc of D pixels, row 0 north; the horizon is the inscribed circle."""

    radiance: FloatArray
    """(D, D, 3) linear Rec.709 in project units, without the sun's disc; ground beyond the horizon."""
    low: FloatArray
    """(6, D, D) the dome's outputs for the low layer, signatures.DOME; 0 beyond the horizon."""
    high: FloatArray
    """(6, D, D) the same for the high layer."""
    light: FloatArray
    """(6, 3) RGB light rows of signatures.COMPOSE, settled."""
    sun_transmittance: float
    """exp(-optical depth) of both layers toward the sun's centre; 0 with the sun below the horizon."""

    @property
    def view_depth(self) -> FloatArray:
        """Optical depth (D, D) of both layers; 0 beyond the horizon."""
        depth: FloatArray = self.low[0] + self.high[0]
        return depth


class Marcher:
    """Marches states through procedural clouds; holds the field of one window size on one device.

    Parameters
    ----------
    window : int
        Texels along the side of each nested window.
    device : str
        One of DEVICES; "cuda:N" is the card number N.
    substeps : int
        Samples between two shells.

    Raises
    ------
    RequestError
        If the device is not there. Nothing falls back to another one.
    """

    def __init__(self, window: int, device: str = "cpu", substeps: int = SUBSTEPS) -> None:
        self.device = known_device(device)
        self.substeps = substeps
        self._volumes = LatticeVolumes(window, self.device)

    def march(self, state: SkyState, disc: int) -> MarchedSky:
        """Finished disc of ``disc`` pixels of a state; depends on the state alone, not on earlier ones."""
        volumes = [self._volumes.layer(state, index) for index in range(2)]
        return march_volumes(state.request, volumes, disc, device=self.device, substeps=self.substeps)


def known_device(name: str) -> torch.device:
    """The device of a name, if it is one of DEVICES and this machine has it; raises RequestError otherwise."""
    try:
        device = torch.device(name)
        if device.type not in DEVICES:
            raise RuntimeError(f"it is none of {', '.join(DEVICES)}")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"The device {name!r} cannot be used ({reason}).", "Take --device cpu.") from error
    return device


def march_volumes(
    request: SkyRequest,
    volumes: Sequence[CloudVolume | None],
    disc: int,
    *,
    device: torch.device,
    substeps: int = SUBSTEPS,
    repeat: bool = True,
) -> MarchedSky:
    """March through given volumes of the low and the high layer, which lie on ``device``.

    ``repeat`` as in :func:`.cloud_volume.make_volume`, with the volumes' own value.
    """
    sky = clear_sky(request.sun_elevation_rad, Air(haze=request.haze, ground_albedo=request.ground_albedo))
    direction = disc_directions(disc)
    sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad).astype(np.float32)
    with torch.no_grad(), device:
        views = torch.from_numpy(direction).to(device)
        toward_sun = torch.from_numpy(sun).to(device)[None, None]
        domes, sun_depth = [], 0.0
        for volume in volumes:
            if volume is None:
                domes.append(torch.zeros(6, disc, disc))
                continue
            domes.append(_dome_above(volume, views, substeps, repeat))
            sun_depth += float(disc_dome(volume, toward_sun, substeps, repeat=repeat)[0])
        radiance, light = _settled(request, sky, volumes, domes, views, toward_sun[0, 0])
    low, high = (dome.cpu().numpy() for dome in domes)
    return MarchedSky(radiance, low, high, light, float(np.exp(-sun_depth)) if sun[2] > 0 else 0.0)


def _dome_above(volume: CloudVolume, views: Tensor, substeps: int, repeat: bool) -> Tensor:
    """The dome's outputs (6, D, D) of the directions above the horizon, 0 for others; a fifth of a disc is below it."""
    size = views.shape[0]
    place = (views[..., 2] > 0).reshape(-1).nonzero()[:, 0]
    rows = -(-place.numel() // size)
    filled = torch.cat([place, place[-1:].expand(rows * size - place.numel())])
    outputs = disc_dome(volume, views.reshape(-1, 3)[filled].reshape(rows, size, 3), substeps, repeat=repeat)
    dome = torch.zeros(6, size * size)
    dome[:, place] = outputs.reshape(6, -1)[:, : place.numel()]
    return dome.reshape(6, size, size)


def _settled(
    request: SkyRequest,
    sky: ClearSky,
    volumes: Sequence[CloudVolume | None],
    domes: Sequence[Tensor],
    views: Tensor,
    sun: Tensor,
) -> tuple[FloatArray, FloatArray]:
    """Radiance (D, D, 3) and light (6, 3) once ground and clouds have exchanged light, as in runtime.frame.frame."""
    compose = Compose()
    direction = views.cpu().numpy()
    weight = horizontal_weights(direction)
    direct = sky.sun_irradiance * max(float(np.sin(request.sun_elevation_rad)), 0.0)
    shares = sun_shares(volumes)
    sun_share = shares[0] * shares[1]
    open_share = opening(vertical_transmittance(volumes))
    ceiling = ceiling_km((request.low.base_km, request.high.base_km), shares)
    clear_irradiance = direct + sky.sky_irradiance
    irradiance = direct * sun_share + sky.sky_irradiance
    light = light_from_above(request, sky, shares[1])
    table = _on(views, sky.parts.transpose(2, 0, 1)[None])
    pixel_rad = 2.0 / views.shape[0]
    wide_rad = 2 * pixel_rad * (1 + max(float(sun[2]), 0.0))  # narrow lobes keep their light, see runtime.frame.frame
    for last in [False] * SETTLING_ROUNDS + [True]:
        ground = (np.asarray(request.ground_albedo, dtype=np.float32) / np.pi * irradiance).astype(np.float32)
        light[2] = light[5] = ground
        air_light, air_glow = air_below(irradiance, clear_irradiance, ground, open_share)
        composed = compose(
            views,
            table,
            domes[0],
            domes[1],
            torch.zeros(1, 3, 2, 2),
            sun,
            _on(views, light),
            _on(views, sky.air_table),
            _on(views, ground),
            torch.tensor(air_light),
            torch.tensor(sun_share),
            _on(views, air_glow),
            torch.tensor(ceiling),
            _on(views, sky.sun_irradiance),
            torch.tensor(pixel_rad if last else wide_rad),
            torch.ones(3, device=views.device),
        )
        radiance: FloatArray = composed.cpu().numpy()
        if not last:
            irradiance = direct * sun_share + (radiance * weight[..., None]).sum((0, 1))
    return radiance, light


def _on(example: Tensor, values: FloatArray) -> Tensor:
    """An array as a tensor on the device of ``example``."""
    return torch.from_numpy(np.array(values, dtype=np.float32)).to(example.device)
