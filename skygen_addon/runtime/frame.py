"""A frame: SkyRequest to panorama. Weather, field, sunlight, dome, shading, compose, sun, in that order."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.air import Air
from ..core.atmosphere import ClearSky, clear_sky
from ..core.bundle import load_bundle
from ..core.geometry import (
    REC709_LUMINANCE,
    SUN_ANGULAR_DIAMETER_RAD,
    FloatArray,
    direction_from_angles,
    disc_directions,
    panorama_directions,
)
from ..core.request import SkyRequest
from ..core.shade_features import shade_features
from ..core.signatures import COMPOSE, DOME, SHADE, SHELL_COUNTS, SUNLIGHT, field_signature
from ..core.sun import sun_disc
from ..core.weather import apply_weather, weather_state
from .cloud_field import CloudField
from .graphs import GRAPH_FOLDER, Graph
from .layers import LayerLight, layer_dome, layer_light, substeps_at
from .weather_graph import WeatherGraph

TILE_PIXELS = 8192
"""Directions per tile; bounds memory, does not change results."""
BANDS_DEG = (60.0, 45.0, 35.0, 28.0, 22.0, 18.0, 15.0, 12.5, 10.0, 8.5, 7.0, 5.5, 4.0, 3.0, 2.0, 1.0, 0.0, -90.0)
"""Lowest elevations of bands whose rays have the same number of samples, from zenith to nadir."""
SUPERSAMPLES = ((10.0, 1), (4.0, 2), (0.0, 4), (-90.0, 1))
"""(lowest elevation in degrees, samples of a row): near the horizon a row crosses many clouds."""
FIELD_THREADS = 4
"""Threads inside the field graph, always: where one thread's share of a logarithm ends, its last bits change."""
DISC_SUBSTEPS = 4
_RowJob = tuple[int, int, int, float]
"""First and last row, samples of a row, and elevation in radians."""


@dataclass(frozen=True)
class _Scene:
    """What all tiles of one frame share."""

    sun_direction: FloatArray
    layers: tuple[LayerLight | None, LayerLight | None]
    sky_view: FloatArray
    log_correction: FloatArray
    light: FloatArray
    air: FloatArray
    ground_radiance: FloatArray
    air_light: float
    sun_share: float
    exposure: float


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
        lattice, disc = self.bundle.lattice, {"D": self.bundle.disc_size}
        field = field_signature(tuple(noise.name for noise in lattice.noise))
        sizes = lattice.field_sizes()
        self._field = CloudField(self.bundle, Graph(bundle_folder / "field.onnx", field, FIELD_THREADS, sizes=sizes))
        self._shade = Graph(bundle_folder / "shade.onnx", SHADE, self.threads, sizes=disc)
        self._weather = WeatherGraph(bundle_folder / "weather.onnx", self.bundle.weather.hidden)
        self._sunlight = {
            shells: Graph(GRAPH_FOLDER / f"sunlight_{shells}.onnx", SUNLIGHT, self.threads) for shells in SHELL_COUNTS
        }
        self._dome = Graph(GRAPH_FOLDER / "dome.onnx", DOME, keep_memory=True)
        self._compose = Graph(GRAPH_FOLDER / "compose.onnx", COMPOSE, keep_memory=True)

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
        request, grain = self.weather(request)
        sky = clear_sky(request.sun_elevation_rad, Air(haze=request.haze, ground_albedo=request.ground_albedo))
        scene = self._scene(request, sky, grain)
        panorama = self._panorama(request.width, scene)
        if request.sun_disc:
            self._add_sun(panorama, request, sky, scene)
        return panorama

    def _scene(self, request: SkyRequest, sky: ClearSky, grain: float) -> _Scene:
        sun = direction_from_angles(request.sun_azimuth_rad, request.sun_elevation_rad).astype(np.float32)
        layers = tuple(
            layer_light(
                self._field,
                self._sunlight,
                layer,
                index=index,
                seed=request.seed,
                grain=grain,
                loop_angle_rad=request.loop_angle_rad,
                sun_direction=sun,
            )
            for index, layer in enumerate((request.low, request.high))
        )
        low, high = layers
        low_sun = low.sun_transmittance() if low else 1.0
        high_sun = high.sun_transmittance() if high else 1.0
        light = np.zeros((6, 3), dtype=np.float32)
        for index, (layer, through) in enumerate(((request.low, high_sun), (request.high, 1.0))):
            middle_km = layer.base_km + 0.5 * layer.thickness_km
            light[3 * index] = sky.sun_irradiance_at(middle_km) * through
            light[3 * index + 1] = sky.sky_mean_radiance_at(middle_km)
        scene = _Scene(
            sun_direction=sun,
            layers=(low, high),
            sky_view=np.ascontiguousarray(sky.radiance.transpose(2, 0, 1)[None]),
            log_correction=np.zeros((1, 3, self.bundle.disc_size, self.bundle.disc_size), dtype=np.float32),
            light=light,
            air=sky.air_table,
            ground_radiance=np.zeros(3, dtype=np.float32),
            air_light=1.0,
            sun_share=low_sun * high_sun,
            exposure=1.0,
        )
        return self._lit_scene(request, sky, scene)

    def _lit_scene(self, request: SkyRequest, sky: ClearSky, scene: _Scene) -> _Scene:
        """Run shading on the disc and settle the light that ground and clouds exchange."""
        size = self.bundle.disc_size
        direction = disc_directions(size)
        bands = np.array_split(direction, max(1, size * size // TILE_PIXELS))
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(pool.map(lambda band: self._domes(band, 2.0 / size, None, scene), bands))
        low, high = (np.concatenate([part[index] for part in parts], axis=1) for index in (0, 1))
        direct = sky.sun_irradiance * max(scene.sun_direction[2], 0.0)
        clear_irradiance = direct + sky.sky_irradiance
        albedo = np.asarray(request.ground_albedo, dtype=np.float32)
        clear = np.zeros_like(low)
        clear_disc = self._compose_tile(direction, clear, clear, scene)
        if self._correction:
            features = shade_features(direction, low, high, scene.sun_direction, clear_disc @ REC709_LUMINANCE)
            (correction,) = self._shade(features=features)
            scene = replace(scene, log_correction=correction)
        r2 = np.square(direction[..., :2] / (1 + direction[..., 2:])).sum(-1)
        weight = np.where(direction[..., 2] > 0, (4.0 / size**2) * 4 / (1 + r2) ** 2 * direction[..., 2], 0.0)
        irradiance = direct * scene.sun_share + sky.sky_irradiance
        for _ in range(2):
            ground = (albedo / np.pi * irradiance).astype(np.float32)
            light = scene.light.copy()
            light[2] = light[5] = ground
            share = float((irradiance @ REC709_LUMINANCE) / max(clear_irradiance @ REC709_LUMINANCE, 1e-12))
            scene = replace(scene, light=light, ground_radiance=ground, air_light=min(share, 1.0))
            disc = self._compose_tile(direction, low, high, scene)
            irradiance = direct * scene.sun_share + (disc * weight[..., None]).sum((0, 1))
        return replace(scene, exposure=2.0**request.exposure_ev)

    def _domes(
        self, direction: FloatArray, footprint_rad: float, elevation_rad: float | None, scene: _Scene
    ) -> tuple[FloatArray, FloatArray]:
        """Both layers seen along directions of about one elevation, or of all elevations (None)."""
        low, high = (
            layer_dome(
                self._dome,
                layer,
                direction,
                footprint_rad=footprint_rad,
                substeps=DISC_SUBSTEPS
                if elevation_rad is None or layer is None
                else substeps_at(layer, elevation_rad, footprint_rad),
                sun_direction=scene.sun_direction,
                **({} if self._detail else {"detail_strength": 0.0}),
            )
            for index, layer in enumerate(scene.layers)
        )
        return low, high

    def _compose_tile(self, direction: FloatArray, low: FloatArray, high: FloatArray, scene: _Scene) -> FloatArray:
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
            exposure=scene.exposure,
        )
        return radiance

    def _panorama(self, width: int, scene: _Scene) -> FloatArray:
        """All rows, in tiles of full rows; each row is independent of the tiling."""
        height = width // 2
        panorama = np.empty((height, width, 3), dtype=np.float32)

        def render_rows(job: _RowJob) -> None:
            start, stop, supersamples, elevation_rad = job
            direction = panorama_directions(width, start, stop, supersamples)
            if start >= height // 2:
                low = high = np.zeros((6, *direction.shape[:2]), dtype=np.float32)
            else:
                low, high = self._domes(direction, 2 * np.pi / width, elevation_rad, scene)
            radiance = self._compose_tile(direction, low, high, scene)
            panorama[start:stop] = radiance.reshape(stop - start, supersamples, width, 3).mean(1)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(render_rows, _row_jobs(width)))
        return panorama

    def _add_sun(self, panorama: FloatArray, request: SkyRequest, sky: ClearSky, scene: _Scene) -> None:
        """Add the sun's disc, dimmed by the clouds in front of it."""
        radius = 0.5 * SUN_ANGULAR_DIAMETER_RAD
        offsets = np.linspace(-0.8, 0.8, 5) * radius
        azimuth, elevation = np.meshgrid(offsets, offsets)
        direction = np.stack(
            [
                direction_from_angles(request.sun_azimuth_rad + a / max(np.cos(request.sun_elevation_rad), 0.01), e)
                for a, e in zip(azimuth.ravel(), request.sun_elevation_rad + elevation.ravel(), strict=True)
            ]
        ).astype(np.float32)[None]
        low, high = self._domes(direction, radius, request.sun_elevation_rad, scene)
        transmittance = float(np.exp(-(low[0] + high[0])).mean())
        irradiance = sky.sun_irradiance * (transmittance * scene.exposure)
        patch = sun_disc(request.width, request.sun_azimuth_rad, request.sun_elevation_rad, irradiance)
        panorama[patch.row_start : patch.row_stop, patch.columns] += patch.radiance


def _row_jobs(width: int) -> list[_RowJob]:
    """Tiles of full rows; everything but their number of rows follows from elevation only."""
    height = width // 2
    jobs: list[_RowJob] = []
    start, upper_deg = 0, 90.0
    for lower_deg in BANDS_DEG:
        stop = round((90 - max(lower_deg, -90.0)) / 180 * height)
        supersamples = next(samples for lowest, samples in SUPERSAMPLES if lower_deg >= lowest)
        elevation_rad = math.radians(0.5 * (upper_deg + lower_deg))
        rows = max(1, TILE_PIXELS // (width * supersamples))
        for first in range(start, stop, rows):
            jobs.append((first, min(first + rows, stop), supersamples, elevation_rad))
        start, upper_deg = stop, lower_deg
    return jobs
