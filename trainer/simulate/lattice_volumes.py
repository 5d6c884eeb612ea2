"""Cloud volumes on the engine's endless lattice: what the wind carries and evolution changes.

The volumes of :class:`.volume_states.VolumeMaker` stand still, since their noise has no place.
Here :class:`skygen_addon.runtime.clouds.cloud_field.CloudField` hashes the noise of the procedural field
by place, as in the engine: a volume is a function of its request, so any moment of a sequence can
be had alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from skygen_addon.core.bundle import Bundle, WeatherScale
from skygen_addon.core.geometry import direction_from_angles
from skygen_addon.core.signatures import WEATHER_STATE, layer_shells
from skygen_addon.runtime.clouds.cloud_field import CloudField
from trainer.networks.procedural_field import ProceduralField

from .cloud_volume import CloudVolume, make_volume
from .volume_states import SkyState


class LatticeVolumes:
    """Builds volumes of states, displaced and evolved as their requests say.

    Parameters
    ----------
    window : int
        Texels along the side of each nested window.
    device : torch.device
        Where volumes are made and stay.
    """

    def __init__(self, window: int, device: torch.device) -> None:
        self.device = device
        self._network = ProceduralField(window).eval().to(device)
        steady = WeatherScale(1.0, 1, (1.0,) * len(WEATHER_STATE), 1)  # CloudField reads the lattice alone
        bundle = Bundle(Path(), "procedural", "", self._network.lattice, steady, 16, "", "", {})
        self._field = CloudField(bundle, self._run)

    def _run(self, **inputs: Any) -> list[Any]:
        """Stands for field.onnx; the result stays a tensor on the device."""
        tensors = [torch.from_numpy(values).to(self.device) for values in inputs.values()]
        with torch.no_grad(), self.device:
            return [self._network(*tensors)]

    def layer(self, state: SkyState, index: int) -> CloudVolume | None:
        """Volume of the low (0) or high (1) layer, whose windows repeat beyond the rim; None without cover."""
        request = state.request
        layer = (request.low, request.high)[index]
        if layer.cover <= 0:
            return None
        shells = layer_shells(index, layer.thickness_km)
        made = self._field.volume(layer, request.seed, index, state.grain, shells)
        depth = torch.as_tensor(made.extinction_per_thickness)
        sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad)
        with self.device:
            return make_volume(
                depth * (layer.density / layer.thickness_km),
                layer.base_km + layer.thickness_km * torch.linspace(0.0, 1.0, shells),
                made.texel_km,
                torch.tensor(sun, dtype=torch.float32),
                torch.tensor(made.plane_matrix, dtype=torch.float32),
                torch.tensor(made.plane_offset_km, dtype=torch.float32),
                repeat=True,
            )
