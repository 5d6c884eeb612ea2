"""The record of the sun beside baked frames: true to the pixels, appended to, and read past damage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.air import Air
from skygen_addon.core.atmosphere import clear_sky
from skygen_addon.core.bundle import load_bundle
from skygen_addon.core.errors import OutputError, RequestError
from skygen_addon.core.geometry import panorama_solid_angles
from skygen_addon.core.job import SkyJob, request_digest
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.bake.bake import bake
from skygen_addon.runtime.exr import read_exr
from skygen_addon.runtime.frame.frame import FrameRenderer
from skygen_addon.runtime.frame.sun_record import (
    SUN_FILE,
    SunLight,
    append_sunlight,
    clear_sun_irradiance,
    read_sunlight,
)

SUN = SunLight(1.0, 0.5, (3.0, 2.5, 2.0), 0.75, 4.0)
DIGEST = "0" * 64


@pytest.mark.parametrize("elevation", [-0.2, -0.003, 0.0, 0.02, 0.3, 1.5])
@pytest.mark.parametrize(("haze", "exposure"), [(1.0, 0.0), (0.0, -3.0), (6.0, 2.0)])
def test_clear_sun_is_the_engines_own(elevation: float, haze: float, exposure: float) -> None:
    expected = clear_sky(elevation, Air(haze=haze)).sun_irradiance * np.float32(2.0**exposure)
    assert clear_sun_irradiance(elevation, haze, exposure) == pytest.approx(expected.tolist(), rel=1e-6, abs=1e-12)


def test_the_record_is_the_light_of_the_drawn_disc(
    sky_renderer: FrameRenderer, preset_requests: Callable[..., list[SkyRequest]]
) -> None:
    """The disc's pixels, which are the difference to a frame without it, sum up to the recorded irradiance.

    Beside a sky of radiance 5 the disc's pixels of hundreds are known to 1e-6 in 32 bits: 1e-4 is ample.
    """
    low = {"cover": 0.5, "density": 0.05}
    (request,) = preset_requests("broken_clouds", [5], 128, low=low, exposure_ev=1.0)
    frame = sky_renderer.render_frame(request)
    without = sky_renderer.render_frame(dataclasses.replace(request, sun_disc=False))
    assert without.sun == frame.sun
    disc = frame.radiance.astype(np.float64) - without.radiance
    irradiance = np.einsum("hwc,h->c", disc, panorama_solid_angles(128))
    assert frame.sun.irradiance == pytest.approx(irradiance.tolist(), rel=1e-4, abs=1e-4)
    assert frame.sun.sky_peak == without.radiance.max()
    clear = clear_sun_irradiance(
        request.sun_elevation_rad, request.haze, 1.0, request.white_balance_k, request.white_balance_tint
    )
    dimmed = [channel * frame.sun.transmittance for channel in clear]
    assert frame.sun.irradiance == pytest.approx(dimmed, rel=1e-5, abs=1e-9)
    assert (frame.sun.azimuth_rad, frame.sun.elevation_rad) == (request.sun_azimuth_rad, request.sun_elevation_rad)


def test_no_clouds_let_everything_through_and_overcast_nothing(
    sky_renderer: FrameRenderer, preset_requests: Callable[..., list[SkyRequest]]
) -> None:
    none = {"low": {"cover": 0.0}, "high": {"cover": 0.0}, "white_balance_k": 6500.0}
    (clear,) = preset_requests("clear_noon", [1], 64, **none)
    sun = sky_renderer.render_frame(clear).sun
    assert sun.transmittance == 1.0
    assert sun.irradiance == pytest.approx(clear_sun_irradiance(clear.sun_elevation_rad, clear.haze, 0.0), rel=1e-6)
    (closed,) = preset_requests("overcast", [1], 64)
    assert sky_renderer.render_frame(closed).sun.transmittance < 1e-3


def test_rows_come_back_and_the_last_one_of_a_request_counts(tmp_path: Path) -> None:
    """A bake that is killed before it writes the frame leaves the older frame its own line."""
    other = dataclasses.replace(SUN, transmittance=0.125)
    assert read_sunlight(tmp_path) == {} == read_sunlight(tmp_path / "none")
    for frame, digest, sun in ((1, DIGEST, SUN), (2, DIGEST, other), (2, DIGEST, SUN), (1, "1" * 64, other)):
        append_sunlight(tmp_path, frame, digest, sun)
    assert read_sunlight(tmp_path) == {(1, DIGEST): SUN, (2, DIGEST): SUN, (1, "1" * 64): other}


def test_damaged_lines_are_as_if_never_written(tmp_path: Path) -> None:
    append_sunlight(tmp_path, 1, DIGEST, SUN)
    good = json.loads((tmp_path / SUN_FILE).read_text())
    bad: list[Any] = [
        {**good, "frame": "2"}, {**good, "frame": True}, {**good, "request": None}, {**good, "irradiance": [1, 2]},
        {**good, "irradiance": [1, 2, -1]}, {**good, "irradiance": 3}, {**good, "elevation_rad": 9.0},
        {**good, "transmittance": "1"}, {"frame": 2}, [], 5, None,
    ]  # fmt: skip
    with (tmp_path / SUN_FILE).open("ab") as file:
        file.write("".join(f"{json.dumps(line)}\n" for line in bad).encode())
        file.write(b'\xff\xfe\n{"frame": 2, "requ')  # a bake was killed here
    append_sunlight(tmp_path, 3, DIGEST, SUN)
    assert set(read_sunlight(tmp_path)) == {(1, DIGEST), (3, DIGEST)}


def test_no_number_is_written_that_no_lamp_could_have() -> None:
    for values in ({"irradiance": (1.0, float("nan"), 1.0)}, {"transmittance": 1.5}, {"sky_peak": float("inf")}):
        with pytest.raises(RequestError):
            dataclasses.replace(SUN, **values)


def test_a_record_that_cannot_be_written_or_read_is_told(tmp_path: Path) -> None:
    (tmp_path / SUN_FILE).mkdir()
    with pytest.raises(OutputError):
        append_sunlight(tmp_path, 1, DIGEST, SUN)
    with pytest.raises(OutputError):
        read_sunlight(tmp_path)


class SunlitLobe:
    """The lobe renderer with a sun that is told by the frame's azimuth."""

    def __init__(self, renderer: Any) -> None:
        self.bundle, self._renderer = renderer.bundle, renderer

    def render(self, request: SkyRequest) -> Any:
        return self._renderer.render(request)

    def render_frame(self, request: SkyRequest) -> Any:
        @dataclasses.dataclass
        class Frame:
            radiance: Any
            sun: SunLight

        return Frame(self.render(request), dataclasses.replace(SUN, azimuth_rad=request.sun_azimuth_rad))


def test_a_bake_records_each_frame_with_its_request(tmp_path: Path, bundle_folder: Path, renderer: Any) -> None:
    bundle = load_bundle(bundle_folder)
    requests = tuple(SkyRequest(sun_azimuth_rad=0.1 * n, width=64) for n in range(4))
    job = SkyJob(bundle.name, bundle.identity, (1, 2, 3, 4), requests, tmp_path / "sky")
    bake(job.select((1, 2)), bundle_folder, load=lambda folder, threads: SunlitLobe(renderer))
    bake(job, bundle_folder, load=lambda folder, threads: SunlitLobe(renderer), skip_existing=True)
    assert len((job.folder / SUN_FILE).read_text().splitlines()) == 4  # kept frames keep their lines
    for (frame, digest), sun in read_sunlight(job.folder).items():
        request = requests[frame - 1]
        assert sun.azimuth_rad == request.sun_azimuth_rad
        assert digest == request_digest(request, job.bundle_identity, job.engine)
        assert digest == read_exr(job.path(frame)).request_digest


def test_a_renderer_that_knows_no_sun_leaves_no_record(
    tmp_path: Path, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    bundle = load_bundle(bundle_folder)
    job = SkyJob(bundle.name, bundle.identity, (1,), (SkyRequest(width=64),), tmp_path / "sky")
    bake(job, bundle_folder, load=load)
    assert sorted(path.name for path in job.folder.iterdir()) == ["sky.json", "sky_0001.exr"]
