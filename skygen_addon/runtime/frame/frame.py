"""A frame: SkyRequest to panorama. Weather, field, sunlight, dome, shading, compose, sun, in that order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...core.air import Air
from ...core.atmosphere import clear_sky
from ...core.bundle import load_bundle
from ...core.field_lattice import DRAFT_SHARE
from ...core.geometry import SUN_ANGULAR_DIAMETER_RAD, FloatArray, direction_from_angles, panorama_directions
from ...core.request import LayerRequest, SkyRequest, uncomposed
from ...core.signatures import COMPOSE, DOME, SHELL_COUNTS, SUNLIGHT
from ...core.sun import sun_disc
from ...core.sunlight_passes import sunlight_graph
from ...core.weather import apply_weather, weather_state
from ...core.white_balance import output_gains
from ..clouds.field_graphs import bundle_field
from ..clouds.layers import MOST_SUBSTEPS, LayerLight, layer_dome, layer_light, substeps_at
from ..graphs import GRAPH_FOLDER, Graph
from .draft import Draft, carried
from .frame_memory import FrameMemory
from .scene import Scene, sun_disc_directions, unlit_scene
from .shading import Shading
from .still import LayerPictures
from .sun_record import SkyFrame, SunLight
from .tiles import RowTile, row_tiles
from .weather_graph import WeatherGraph

_Layers = tuple[LayerRequest, LayerRequest]


class FrameRenderer:
    """Renders frames of one bundle.

    Parameters
    ----------
    bundle_folder : Path
        Folder of a model bundle.
    threads : int, optional
        Worker threads, by default the number of processors. Results do not depend on it.
    correction, detail : bool
        Switch off the learned correction or the detail octaves, for ablations.

    Raises
    ------
    BundleError
        If the bundle or a graph does not fit this engine.
    """

    def __init__(
        self, bundle_folder: Path, threads: int | None = None, *, correction: bool = True, detail: bool = True
    ) -> None:
        self.bundle = load_bundle(bundle_folder)
        self.threads = threads or os.cpu_count() or 1
        self._detail = detail
        self._field = bundle_field(self.bundle)
        self._shading = Shading(self.bundle, self.threads, correction=correction)
        self._weather = WeatherGraph(bundle_folder / "weather.onnx", self.bundle.weather.hidden)
        self._sunlight = {
            (shells, low_sun): Graph(GRAPH_FOLDER / sunlight_graph(shells, low_sun), SUNLIGHT, self.threads)
            for shells in SHELL_COUNTS
            for low_sun in (False, True)
        }
        self._dome = Graph(GRAPH_FOLDER / "dome.onnx", DOME, keep_memory=True)
        self._compose = Graph(GRAPH_FOLDER / "compose.onnx", COMPOSE, keep_memory=True)
        self.memory = FrameMemory(self._field)
        """What frames share."""

    def weather(self, request: SkyRequest) -> tuple[SkyRequest, float]:
        """The request after the weather has acted on it, and the grain that it asks for."""
        if request.weather_strength == 0:
            return request, 0.0
        scale = self.bundle.weather
        state = weather_state(request.time_s, request.seed, scale, self._weather)
        if request.loop_angle_rad > 0:
            earlier = weather_state(request.loop_weather_time_s, request.seed, scale, self._weather)
            state = state * np.cos(request.loop_angle_rad) + earlier * np.sin(request.loop_angle_rad)
        return apply_weather(request, state, scale)

    def render(self, request: SkyRequest) -> FloatArray:
        """Panorama of one request.

        Returns
        -------
        ndarray, shape (H, W, 3), float32
            Linear Rec.709 radiance in project units; finite and not negative.
        """
        return self.render_frame(request).radiance

    def render_frame(self, request: SkyRequest) -> SkyFrame:
        """Panorama of one request, with what the sun itself gives: its light, dimmed by the clouds in front of it.

        What frames share is kept: another width, exposure or white balance, or the disc switched, costs no more
        than the panorama, and another sun no new clouds.
        """
        return self.render_still(request)

    def render_draft(self, request: SkyRequest) -> SkyFrame:
        """A quick look, see :mod:`.draft`: clouds sharp only close to the camera, their light shaded more coarsely."""
        return self.render_still(request, draft=Draft())

    def render_still(
        self, request: SkyRequest, pictures: LayerPictures | None = None, *, draft: Draft | None = None
    ) -> SkyFrame:
        """A frame, or a draft drawn in some way; its layers are put into ``pictures`` too."""
        request, grain = self.weather(request)
        made = (request.low, request.high)
        if draft is not None:
            made, grain = draft.moments(request, self.bundle.lattice.texel_km), draft.grain(grain)
        same = uncomposed(request)
        share = 0 if draft is None else draft.disc_share
        check = pictures.check if pictures is not None else lambda: None
        key = (same, grain, share, made)
        scene = self.memory.scene.get(key, lambda: self._scene(request, made, grain, share, check))
        if pictures is not None:
            pictures.scene, pictures.made = scene, (*made, grain)
        gains = output_gains(request.exposure_ev, request.white_balance_k, request.white_balance_tint)
        scene = replace(scene, exposure=gains.astype(np.float32))
        panorama = self._panorama(request.width, scene, pictures)
        sky_peak = float(panorama.max())
        transmittance = self.sun_transmittance(request, scene)
        irradiance = scene.sun_irradiance * (transmittance * gains).astype(np.float32)
        if request.sun_disc:
            patch = sun_disc(request.width, request.sun_azimuth_rad, request.sun_elevation_rad, irradiance)
            panorama[patch.row_start : patch.row_stop, patch.columns] += patch.radiance
        red, green, blue = (float(channel) for channel in irradiance)
        sun = (request.sun_azimuth_rad, request.sun_elevation_rad, (red, green, blue), transmittance)
        return SkyFrame(panorama, SunLight(*sun, sky_peak=sky_peak))

    def _layer(
        self, request: SkyRequest, index: int, layer: LayerRequest, grain: float, sun_direction: FloatArray, draft: bool
    ) -> LayerLight | None:
        light = self.memory.layer(index, draft).get(
            (layer, request.seed, grain, request.loop_angle_rad, sun_direction.tobytes()),
            lambda: layer_light(
                self._field,
                self._sunlight,
                layer,
                index=index,
                seed=request.seed,
                grain=grain,
                loop_angle_rad=request.loop_angle_rad,
                sun_direction=sun_direction,
                window_share=DRAFT_SHARE if draft else 1,
            ),
        )
        return light if light is None or not draft else carried(light, layer, (request.low, request.high)[index])

    def _scene(self, request: SkyRequest, made: _Layers, grain: float, share: int, check: Callable[[], None]) -> Scene:
        """Of clouds made for moments close by; ``share`` is that of a draft's disc, 0 of a frame that is none.

        ``check`` may give up between the parts: a layer that is finished stays kept.
        """
        sky = clear_sky(request.sun_elevation_rad, Air(haze=request.haze, ground_albedo=request.ground_albedo))
        sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad).astype(np.float32)
        low = self._layer(request, 0, made[0], grain, sun, share > 0)
        check()
        high = self._layer(request, 1, made[1], grain, sun, share > 0)
        check()
        scene = unlit_scene(request, sky, sun, (low, high), self.bundle.disc_size)
        return self._shading.lit(self, request, sky, scene, self.bundle.disc_size // (share or 1))

    def domes(
        self, direction: FloatArray, footprint_rad: float, substeps: Callable[[LayerLight], int], scene: Scene
    ) -> tuple[FloatArray, FloatArray]:
        """The dome graph's outputs (6, h, w) of both layers along directions (h, w, 3), low first.

        ``substeps`` gives the number of samples between shells for each.
        """
        low, high = (
            layer_dome(
                self._dome,
                layer,
                direction,
                footprint_rad=footprint_rad,
                substeps=1 if layer is None else substeps(layer),
                sun_direction=scene.sun_direction,
                **({} if self._detail else {"detail_strength": 0.0}),
            )
            for layer in scene.layers
        )
        return low, high

    def _band_domes(
        self, direction: FloatArray, footprint_rad: float, tile: RowTile, scene: Scene
    ) -> tuple[FloatArray, FloatArray]:
        """Both layers seen along the directions of a tile, fading from the samples of the band above to its own."""

        def at(elevation_rad: float) -> Callable[[LayerLight], int]:
            return lambda layer: substeps_at(layer, elevation_rad, footprint_rad)

        own = self.domes(direction, footprint_rad, at(tile.elevation_rad), scene)
        if not tile.above_share.any():
            return own
        above = self.domes(direction, footprint_rad, at(tile.above_rad), scene)
        share = np.repeat(tile.above_share, tile.supersamples)[:, None]
        low, high = (a + (b - a) * share for a, b in zip(own, above, strict=True))
        return low, high

    def compose_tile(
        self, direction: FloatArray, low: FloatArray, high: FloatArray, scene: Scene, footprint_rad: float
    ) -> FloatArray:
        """Radiance (h, w, 3) of directions (h, w, 3) from the dome graph's outputs (6, h, w) of both layers."""
        (radiance,) = self._compose(
            direction=direction,
            sky_view=scene.sky_view,
            low=low,
            high=high,
            log_correction=scene.log_correction,
            sun_direction=scene.sun_direction,
            light=scene.light,
            air=scene.air,
            ground_radiance=scene.ground_radiance,
            air_light=scene.air_light,
            sun_share=scene.sun_share,
            air_glow=scene.air_glow,
            ceiling_km=scene.ceiling_km,
            sun_irradiance=scene.sun_irradiance,
            footprint_rad=footprint_rad,
            exposure=scene.exposure,
        )
        return radiance

    def _panorama(self, width: int, scene: Scene, pictures: LayerPictures | None = None) -> FloatArray:
        """All rows, in tiles; each pixel is independent of the tiling. The layers are put into ``pictures``."""
        height = width // 2
        panorama = np.empty((height, width, 3), dtype=np.float32)

        def render(tile: RowTile) -> None:
            rows = panorama_directions(width, tile.start, tile.stop, tile.supersamples)
            for columns in tile.columns(width):
                direction = np.ascontiguousarray(rows[:, columns])
                if tile.start >= height // 2:
                    low = high = np.zeros((6, *direction.shape[:2]), dtype=np.float32)
                else:
                    low, high = self._band_domes(direction, 2 * np.pi / width, tile, scene)
                if pictures is not None:
                    pictures.put(tile, columns, low, high)
                radiance = self.compose_tile(direction, low, high, scene, 2 * np.pi / width)
                samples = radiance.reshape(tile.stop - tile.start, tile.supersamples, -1, 3)
                panorama[tile.start : tile.stop, columns] = samples.mean(1)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(render, row_tiles(width)))
        return panorama

    def sun_transmittance(self, request: SkyRequest, scene: Scene) -> float:
        """Fraction of the sun's light that a scene's clouds let through, as a mean over its disc."""
        direction = sun_disc_directions(request.sun_azimuth_rad, request.sun_elevation_rad)
        radius = 0.5 * SUN_ANGULAR_DIAMETER_RAD
        low, high = self.domes(direction, radius, lambda _: MOST_SUBSTEPS, scene)
        return float(np.exp(-(low[0] + high[0])).mean())
