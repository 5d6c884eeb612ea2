"""A frame: SkyRequest to panorama. Weather, field, sunlight, dome, shading, compose, sun, in that order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.air import Air
from ..core.air_below import air_below
from ..core.atmosphere import ClearSky, clear_sky
from ..core.bundle import load_bundle
from ..core.field_lattice import DRAFT_SHARE
from ..core.geometry import (
    REC709_LUMINANCE,
    SUN_ANGULAR_DIAMETER_RAD,
    FloatArray,
    direction_from_angles,
    panorama_directions,
)
from ..core.request import LayerRequest, SkyRequest, uncomposed
from ..core.shade_features import shade_features
from ..core.signatures import COMPOSE, DOME, SHADE, SHELL_COUNTS, SUNLIGHT
from ..core.sun import sun_disc
from ..core.sunlight_passes import sunlight_graph
from ..core.weather import apply_weather, weather_state
from ..core.white_balance import output_gains
from .disc_light import DiscPart, disc_parts
from .draft import Draft, carried
from .field_graphs import bundle_field
from .frame_memory import FrameMemory
from .graphs import GRAPH_FOLDER, Graph
from .layers import MOST_SUBSTEPS, LayerLight, layer_dome, layer_light, substeps_at
from .scene import Scene, sun_disc_directions, unlit_scene
from .still import LayerPictures
from .sun_record import SkyFrame, SunLight
from .tiles import TILE_PIXELS, RowTile, row_tiles
from .weather_graph import WeatherGraph

_Layers = tuple[LayerRequest, LayerRequest]
DISC_SUBSTEPS = 4


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
        self._correction, self._detail = correction, detail
        disc = {"D": self.bundle.disc_size}
        self._field = bundle_field(self.bundle)
        self._shade = Graph(bundle_folder / "shade.onnx", SHADE, self.threads, sizes=disc)
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
        return self._lit_scene(request, sky, scene, self.bundle.disc_size // (share or 1))

    def _lit_scene(self, request: SkyRequest, sky: ClearSky, scene: Scene, size: int) -> Scene:
        """Run shading on a disc of ``size`` and settle the light that ground and clouds exchange."""
        parts = disc_parts(size, self.bundle.disc_size, scene.sun_direction)
        layers = [self._disc_domes(part, scene) for part in parts]
        if self._correction:
            direction, (low, high) = parts[0].direction, layers[0]
            clear = np.zeros_like(low)
            clear_disc = self.compose_tile(direction, clear, clear, scene, parts[0].side)
            features = shade_features(direction, low, high, scene.sun_direction, clear_disc @ REC709_LUMINANCE)
            spread = self.bundle.disc_size // size  # the network sees a disc of one size
            (correction,) = self._shade(features=features.repeat(spread, axis=2).repeat(spread, axis=3))
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
                radiance = self.compose_tile(part.direction, low, high, scene, footprint_rad)
                irradiance = irradiance + (radiance * part.weight[..., None]).sum((0, 1))
        return scene

    def _disc_domes(self, part: DiscPart, scene: Scene) -> tuple[FloatArray, FloatArray]:
        """Both layers (6, h, w) on a part of the disc."""
        rows, columns = part.direction.shape[:2]
        bands = np.array_split(part.direction, max(1, rows * columns // TILE_PIXELS))
        with ThreadPoolExecutor(self.threads) as pool:
            seen = list(pool.map(lambda band: self._domes(band, part.side, lambda _: DISC_SUBSTEPS, scene), bands))
        low, high = (np.concatenate([band[index] for band in seen], axis=1) for index in (0, 1))
        return low, high

    def _domes(
        self, direction: FloatArray, footprint_rad: float, substeps: Callable[[LayerLight], int], scene: Scene
    ) -> tuple[FloatArray, FloatArray]:
        """Both layers (6, h, w) seen along directions, with a number of samples between shells for each."""
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

        own = self._domes(direction, footprint_rad, at(tile.elevation_rad), scene)
        if not tile.above_share.any():
            return own
        above = self._domes(direction, footprint_rad, at(tile.above_rad), scene)
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
        low, high = self._domes(direction, radius, lambda _: MOST_SUBSTEPS, scene)
        return float(np.exp(-(low[0] + high[0])).mean())
