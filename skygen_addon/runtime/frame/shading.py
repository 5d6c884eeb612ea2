"""Shading: the network's correction of the clouds' light on the sky disc, and the light that the ground gives back.

What clouds scatter is brighter above a bright ground, and the ground is lit by the clouds: both are settled together,
on a disc of directions that is smaller than any panorama.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np

from ...core.air_below import air_below
from ...core.atmosphere import ClearSky
from ...core.bundle import Bundle
from ...core.geometry import REC709_LUMINANCE, FloatArray
from ...core.request import SkyRequest
from ...core.shade_features import shade_features
from ...core.signatures import SHADE
from ..clouds.layers import LayerLight
from ..graphs import Graph
from .disc_light import DiscPart, disc_parts
from .scene import Scene
from .tiles import TILE_PIXELS

DISC_SUBSTEPS = 4


class SkyLook(Protocol):
    """What looks at a scene; the frame renderer."""

    def domes(
        self, direction: FloatArray, footprint_rad: float, substeps: Callable[[LayerLight], int], scene: Scene
    ) -> tuple[FloatArray, FloatArray]:
        """The dome graph's outputs (6, h, w) of both layers along directions (h, w, 3), low first."""

    def compose_tile(
        self, direction: FloatArray, low: FloatArray, high: FloatArray, scene: Scene, footprint_rad: float
    ) -> FloatArray:
        """Radiance (h, w, 3) of directions (h, w, 3) from the dome graph's outputs (6, h, w) of both layers."""


class Shading:
    """Lights scenes.

    Parameters
    ----------
    bundle : Bundle
        Its shading network.
    threads : int
        Worker threads.
    correction : bool
        Switches the network off, for an ablation.

    Raises
    ------
    BundleError
        If the network does not fit this engine.
    """

    def __init__(self, bundle: Bundle, threads: int, *, correction: bool) -> None:
        self._disc_size, self._threads = bundle.disc_size, threads
        path, sizes = bundle.folder / "shade.onnx", {"D": bundle.disc_size}
        self._graph = Graph(path, SHADE, threads, sizes=sizes) if correction else None

    def lit(self, look: SkyLook, request: SkyRequest, sky: ClearSky, scene: Scene, size: int) -> Scene:
        """A scene with the network's correction, and with the light that ground and clouds exchange.

        Parameters
        ----------
        look : SkyLook
            Looks at the scene.
        request : SkyRequest
            Its ground counts.
        sky : ClearSky
            Lights clouds and ground.
        scene : Scene
            As :func:`.scene.unlit_scene` returns it.
        size : int
            Side of the disc in pixels; a share of the bundle's.
        """
        parts = disc_parts(size, self._disc_size, scene.sun_direction)
        layers = [self._disc_domes(look, part, scene) for part in parts]
        if self._graph is not None:
            direction, (low, high) = parts[0].direction, layers[0]
            clear = np.zeros_like(low)
            unshaded = replace(scene, ceiling_km=0.0)  # what the network was fitted to: the sky without clouds
            clear_disc = look.compose_tile(direction, clear, clear, unshaded, parts[0].side)
            features = shade_features(direction, low, high, scene.sun_direction, clear_disc @ REC709_LUMINANCE)
            spread = self._disc_size // size  # the network sees a disc of one size
            (correction,) = self._graph(features=features.repeat(spread, axis=2).repeat(spread, axis=3))
            scene = replace(scene, log_correction=correction)
        direct = sky.sun_irradiance * max(scene.sun_direction[2], 0.0)
        clear_irradiance = direct + sky.sky_irradiance
        albedo = np.asarray(request.ground_albedo, dtype=np.float32)
        irradiance = direct * scene.sun_share + sky.sky_irradiance
        # A lobe as narrow as the pixels around the sun, which are wider toward the zenith, would give more or less
        # light by where between them the sun stands. Seen by pixels twice as wide it gives what it has.
        footprint_rad = 2 * parts[-1].side * (1 + max(float(scene.sun_direction[2]), 0.0))
        for _ in range(2):
            ground = (albedo / np.pi * irradiance).astype(np.float32)
            light = scene.light.copy()
            light[2] = light[5] = ground
            air_light, air_glow = air_below(irradiance, clear_irradiance, ground, scene.open_share)
            scene = replace(scene, light=light, ground_radiance=ground, air_light=air_light, air_glow=air_glow)
            irradiance = direct * scene.sun_share
            for part, (low, high) in zip(parts, layers, strict=True):
                radiance = look.compose_tile(part.direction, low, high, scene, footprint_rad)
                irradiance = irradiance + (radiance * part.weight[..., None]).sum((0, 1))
        return scene

    def _disc_domes(self, look: SkyLook, part: DiscPart, scene: Scene) -> tuple[FloatArray, FloatArray]:
        """Both layers (6, h, w) on a part of the disc."""
        rows, columns = part.direction.shape[:2]
        bands = np.array_split(part.direction, max(1, rows * columns // TILE_PIXELS))
        with ThreadPoolExecutor(self._threads) as pool:
            seen = list(pool.map(lambda band: look.domes(band, part.side, lambda _: DISC_SUBSTEPS, scene), bands))
        low, high = (np.concatenate([band[index] for band in seen], axis=1) for index in (0, 1))
        return low, high
