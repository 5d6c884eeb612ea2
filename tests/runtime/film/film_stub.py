"""A renderer of stills without clouds, whose sky tells the sky time of the still that it was drawn for."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from skygen_addon.core.geometry import FloatArray
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.frame.draft import Draft
from skygen_addon.runtime.frame.scene import Scene
from skygen_addon.runtime.frame.still import LayerPictures
from skygen_addon.runtime.frame.sun_record import SkyFrame, SunLight


def scene_of(request: SkyRequest) -> Scene:
    """A scene without clouds whose air light is the sky time."""
    return Scene(
        sun_direction=np.array([0.0, 0.0, 1.0], np.float32),
        layers=(None, None),
        sky_view=np.zeros((1, 3, 2, 2), np.float32),
        log_correction=np.zeros((1, 3, 2, 2), np.float32),
        light=np.zeros((6, 3), np.float32),
        air=np.zeros((2, 4), np.float32),
        ground_radiance=np.zeros(3, np.float32),
        air_light=request.time_s,
        sun_share=1.0,
        open_share=1.0,
        air_glow=np.zeros(3, np.float32),
        ceiling_km=0.0,
        exposure=np.ones(3, np.float32),
        sun_irradiance=np.ones(3, np.float32),
    )


class StillsOfTime:
    """Draws at once, or when the test lets it; a seed of 666 fails."""

    def __init__(self) -> None:
        self.bundle: Any = None
        self.drawn: list[tuple[SkyRequest, bool]] = []
        """Requests, and whether the film has drawn them ahead."""
        self.given_up: list[SkyRequest] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def weather(self, request: SkyRequest) -> tuple[SkyRequest, float]:
        """It does nothing."""
        return request, 0.0

    def render_still(
        self, request: SkyRequest, pictures: LayerPictures | None = None, *, draft: Draft | None = None
    ) -> SkyFrame:
        """A frame as bright as the sky time is late."""
        ahead = draft is not None and draft.disc_share != Draft().disc_share
        if request.seed == 666 and ahead:
            raise ZeroDivisionError("by chance")
        while ahead and not self.go_on.wait(0.01):
            if pictures is not None:
                try:
                    pictures.check()
                except Exception:
                    self.given_up.append(request)
                    raise
        self.drawn.append((request, ahead))
        if pictures is not None:
            pictures.scene, pictures.made = scene_of(request), (request.low, request.high, 0.0)
        radiance = np.full((request.width // 2, request.width, 3), request.time_s, np.float32)
        return SkyFrame(radiance, SunLight(0.0, 0.5, (1.0, 1.0, 1.0), 1.0, request.time_s))

    def render(self, request: SkyRequest) -> FloatArray:
        """What a bake asks for."""
        return self.render_still(request).radiance

    def compose_tile(
        self, direction: FloatArray, low: FloatArray, high: FloatArray, scene: Scene, footprint_rad: float
    ) -> FloatArray:
        """The scene's air light everywhere."""
        return np.full(direction.shape, scene.air_light, np.float32)

    def sun_transmittance(self, request: SkyRequest, scene: Scene) -> float:
        """Nothing stands before the sun."""
        return 1.0
