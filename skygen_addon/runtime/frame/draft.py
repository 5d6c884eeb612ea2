"""Drafts: quick looks at a frame, with the clouds of a moment close by carried to where the wind has them.

From one frame of a film to the next clouds hardly change, they move. A draft takes the clouds of the
nearest moment on a coarse raster of evolution and wind, which many frames share, and moves them exactly.
It is a function of its request like any frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...core.request import LayerRequest, SkyRequest
from ..clouds.layers import LayerLight, detail_offset_km

EVOLUTION_STEP = 0.02
"""Raster of the evolution: a fiftieth of what replaces a cloud."""
WIND_TEXELS = 16
"""Raster of the wind in texels of the finest window; half of it is how far clouds are carried at most."""
Moment = Callable[[int, LayerRequest, LayerRequest], LayerRequest]
"""Chooses a moment for a layer (0 low, 1 high) by what it is asked to be and by :func:`moment_nearby` to it."""
_LIMIT = 1e9
"""Of displacements and evolution in a request."""


def _rounded(value: float, step: float) -> float:
    return min(max(round(value / step) * step, -_LIMIT), _LIMIT)


def moment_nearby(layer: LayerRequest, texel_km: float, *, in_loop: bool) -> LayerRequest:
    """The layer at the nearest moment of the raster.

    Parameters
    ----------
    layer : LayerRequest
        Of the frame.
    texel_km : float
        Finest texel at texture scale 1.
    in_loop : bool
        Whether the loop state counts; it is moved with the layer then, and left out otherwise.
    """
    step_km = WIND_TEXELS * texel_km * layer.texture_scale
    east, north = (_rounded(value, step_km) for value in layer.displacement_km)
    moved = replace(
        layer, displacement_km=(east, north), evolution_phase=_rounded(layer.evolution_phase, EVOLUTION_STEP)
    )
    if not in_loop:
        return replace(moved, loop_displacement_km=(0.0, 0.0), loop_evolution_phase=0.0)
    loop_east, loop_north = layer.loop_displacement_km
    return replace(
        moved,
        loop_displacement_km=(
            loop_east + (east - layer.displacement_km[0]),
            loop_north + (north - layer.displacement_km[1]),
        ),
        loop_evolution_phase=_rounded(layer.loop_evolution_phase, EVOLUTION_STEP),
    )


def nearest(index: int, layer: LayerRequest, nearby: LayerRequest) -> LayerRequest:
    """The moment that a draft takes by itself."""
    return nearby


@dataclass(frozen=True)
class Draft:
    """How a draft is drawn."""

    moment: Moment = nearest
    """Chooses what moment its clouds are made for."""
    grain: Callable[[float], float] = float
    """Chooses the grain that they are made with by the one that the weather asks for."""
    disc_share: int = 2
    """It is shaded on this share of the disc's side."""

    def moments(self, request: SkyRequest, texel_km: float) -> tuple[LayerRequest, LayerRequest]:
        """The layers for which clouds are made; ``texel_km`` is the finest at texture scale 1."""
        looped = request.loop_angle_rad > 0
        low, high = (moment_nearby(layer, texel_km, in_loop=looped) for layer in (request.low, request.high))
        return self.moment(0, request.low, low), self.moment(1, request.high, high)


def carried(light: LayerLight, made_for: LayerRequest, layer: LayerRequest) -> LayerLight:
    """The clouds that were made for one moment, moved to where ``layer`` has them."""
    way_km = np.subtract(layer.displacement_km, made_for.displacement_km)
    offset = light.plane_offset_km - light.plane_matrix @ way_km.astype(np.float32)
    return replace(
        light,
        plane_offset_km=offset.astype(np.float32),
        detail_offset_km=detail_offset_km(layer, light.plane_matrix, light.texel_km),
    )
