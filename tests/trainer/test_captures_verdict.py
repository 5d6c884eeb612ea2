"""Verdicts that do not depend on exposure, size, direction or white balance, on made skies and on real captures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from skygen_addon.core.geometry import direction_from_angles, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.core.measuring.measure import Measurement, examine, ground_luminance, judge_panorama
from skygen_addon.core.measuring.panorama import Panorama
from skygen_addon.runtime.panoramas.panorama_file import read_panorama

SHARED = Path(__file__).parents[3] / "shared" / "captures" / "hdri"

SEEN_BY_A_PERSON = {
    "aristea_wreck_1k.hdr": None,  # broken stratocumulus, sun behind its thin part
    "autumn_field_puresky_4k.hdr": None,
    "chinese_garden_1k.hdr": None,  # a large tree takes a third of the sky
    "courtyard_1k_blender.exr": "indoor",  # a car port
    "dikhololo_night_1k.hdr": "night",
    "forest_slope_1k.hdr": "obstructed",
    "hilly_terrain_01_1k.hdr": None,
    "immenstadter_horn_1k.hdr": None,
    "industrial_sunset_puresky_1k.hdr": None,
    "kiara_1_dawn_1k.hdr": None,  # before sunrise, Venus
    "kloofendal_48d_partly_cloudy_puresky_1k.hdr": None,
    "kloppenheim_02_1k.exr": "night",  # stars and a moon as bright as a sun
    "leafy_knoll_2k.hdr": "obstructed",
    "modern_buildings_2_1k.hdr": "indoor",  # under a concrete roof
    "mpumalanga_veld_puresky_1k.hdr": None,
    "mud_road_puresky_1k.hdr": None,  # overcast
    "narrow_moonlit_road_1k.hdr": "night",
    "ninomaru_teien_1k_blender_forest.exr": "obstructed",
    "noon_grass_1k.hdr": None,
    "pedestrian_overpass_2k.hdr": None,  # cables and arches before an open sky
    "pmndrs_sunset_1k.hdr": None,
    "pmndrs_venice_1k.hdr": None,  # dusk
    "portland_landing_pad_1k_blender_city.exr": None,  # overcast, the sun's disc through it
    "potsdamer_platz_1k.hdr": None,  # overcast
    "rainforest_trail_1k.hdr": "obstructed",
    "round_platform_1k.exr": None,
    "rustig_koppie_puresky_1k.hdr": None,
    "san_giuseppe_bridge_2k.hdr": None,
    "spruit_sunrise_1k.hdr": None,
    "st_peters_square_night_1k.hdr": "night",
    "ulmer_muenster_1k.exr": None,
    "wasteland_clouds_puresky_1k.hdr": None,
    "wide_street_01_1k.exr": None,
}
"""What a person says who looks at each capture; its pure sky of the same day is left out of aristea_wreck."""


def shared(name: str) -> Panorama:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return read_panorama(path)


@pytest.mark.parametrize("name", sorted(SEEN_BY_A_PERSON))
def test_real_captures_get_a_persons_verdict(name: str) -> None:
    measured = judge_panorama(shared(name))
    assert measured.reason == SEEN_BY_A_PERSON[name]
    if measured.reason in ("night", "indoor"):
        assert measured.state.sun is None


TURNS = {
    "half": lambda r: r.reshape(r.shape[0] // 2, 2, r.shape[1] // 2, 2, 3).mean(axis=(1, 3)),
    "bright": lambda r: 100 * r,
    "turned": lambda r: np.roll(r, r.shape[1] // 4, axis=1),
    "mirrored": lambda r: r[:, ::-1],
    "red": lambda r: r * [1.3, 1.0, 1.0],
    "blue": lambda r: r * [1.0, 1.0, 1.3],
}


def assert_the_same(radiance: np.ndarray, ways: tuple[str, ...] = tuple(TURNS)) -> Measurement:
    """One verdict; cover within 0.05, a wrong white balance within 0.12: it moves what counts as grey."""
    base = examine(Panorama(radiance, ()))
    for way in ways:
        other = examine(Panorama(np.ascontiguousarray(TURNS[way](radiance), dtype=np.float32), ()))
        assert other.reason == base.reason, way
        assert (other.state.sun is None) == (base.state.sun is None), way
        if base.cover is not None:
            assert other.cover == pytest.approx(base.cover, abs=0.12 if way in ("red", "blue") else 0.05), way
    return base


@pytest.mark.parametrize("name", ["kloppenheim_02_1k.exr", "kloofendal_48d_partly_cloudy_puresky_1k.hdr"])
def test_real_captures_keep_their_verdict_however_they_are_turned(name: str) -> None:
    assert_the_same(shared(name).radiance, ("half", "turned", "red"))


def scene(kind: str, width: int = 512) -> np.ndarray:
    """Made panoramas: a clear or an overcast day, stars, lamps in a square, below trees, in a room."""
    rng = np.random.default_rng(11)
    d = panorama_directions(width)
    up = d[..., 2:] > 0
    elevation = np.rad2deg(np.arcsin(d[..., 2:]))
    sun = direction_from_angles(np.deg2rad(150.0), np.deg2rad(35.0))
    noise = ndimage.gaussian_filter(rng.standard_normal(d.shape[:2]), width / 128, mode=("nearest", "wrap"))[..., None]
    noise /= noise.std()
    grass = 0.05 * (1 + 0.3 * rng.uniform(size=(width // 2, width, 1))) * np.array([0.9, 1.2, 0.5])
    if kind in ("clear", "below trees", "snow"):
        sky = model_radiance(np.maximum(d, [-1, -1, 0]), sun, 1.0)
        sky = np.where((d @ sun.astype(np.float32) > np.cos(np.deg2rad(0.6)))[..., None], 2e4, sky)
        if kind == "below trees":
            leaves = np.array([0.06, 0.1, 0.03]) * np.exp(0.8 * rng.standard_normal((width // 2, width, 1)))
            sky = np.where(noise < 1.2, leaves, sky)
        ground = np.full(3, 0.9) if kind == "snow" else grass
        return np.where(up, sky, ground).astype(np.float32)
    if kind == "overcast":
        return np.where(up, (1 + 2 * d[..., 2:]) / 3 * np.exp(0.1 * noise) * np.ones(3), grass).astype(np.float32)
    if kind == "stars":
        sky = np.full((width // 2, width, 3), 0.01)
        for _ in range(700):
            row, column = rng.integers(2, width // 5), rng.integers(0, width)
            sky[row, column] = 0.01 + 0.1 * rng.uniform()
        return np.where(up, sky, 0.2 * grass).astype(np.float32)
    if kind == "lit square":
        dark = 0.02 * np.exp(0.1 * noise) * np.array([1.0, 1.0, 1.1])
        return np.where(up, np.where(elevation < 12, 0.5, dark), 0.4 * np.exp(0.1 * noise)).astype(np.float32)
    assert kind == "room"
    azimuth = np.rad2deg(np.arctan2(d[..., 0], d[..., 1]))[..., None]
    window = (np.abs(azimuth - 60) < 12) & (np.abs(elevation - 12) < 10)
    beams = 1 + 0.6 * (np.sin(np.deg2rad(azimuth) * 9) > 0.8)
    return np.where(window, 6.0, 0.03 * beams * np.array([1.2, 1.0, 0.7])).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "reason", "ways"),
    [
        ("clear", None, ("half", "bright", "red")),
        ("overcast", None, ("turned", "red", "blue")),
        ("snow", None, ("mirrored", "red")),
        ("stars", "night", ("bright", "turned", "red", "blue")),
        ("lit square", "night", ("half", "red", "blue")),
    ],
)
def test_made_skies_keep_their_verdict_however_they_are_turned(
    kind: str, reason: str | None, ways: tuple[str, ...]
) -> None:
    base = assert_the_same(scene(kind, 1024 if kind == "stars" else 512), ways)
    assert base.reason == reason
    assert (base.state.sun is not None) == (kind in ("clear", "snow"))


@pytest.mark.parametrize(("kind", "reason"), [("below trees", "obstructed"), ("room", "indoor")])
def test_what_closes_the_sky_is_told_apart(kind: str, reason: str) -> None:
    measured = examine(Panorama(scene(kind), ()))
    assert measured.reason == reason and measured.state.sun is None


@pytest.mark.parametrize("flag", ["single_channel", "display_referred"])
def test_what_was_graded_is_rejected_and_other_flags_are_not(flag: str) -> None:
    sky = scene("clear")
    assert examine(Panorama(sky, (flag,))).reason == "graded"
    assert examine(Panorama(sky, ("sun_clipped", "single_exposure", "bracket", "non_finite"))).reason is None


def test_what_was_not_covered_is_no_evidence() -> None:
    """A fisheye still that sees down to 4 degrees: no ground, no obstacle, the same sky."""
    sky = scene("clear")
    whole = examine(Panorama(sky, ()))
    covered = np.broadcast_to(panorama_directions(512)[..., 2] > np.sin(np.deg2rad(4.0)), sky.shape[:2]).copy()
    black = np.where(covered[..., None], sky, 0).astype(np.float32)
    measured = examine(Panorama(black, (), covered))
    assert measured.reason is None and measured.evidence.ground_ratio is None
    assert measured.state.as_dict()["ground_ratio"] is None
    assert measured.evidence.sky_share == pytest.approx(1.0, abs=0.02) and measured.evidence.foliage == 0
    assert measured.evidence.black_share == 0 and measured.evidence.covered_share == pytest.approx(1.0)
    z = panorama_directions(512)[..., 2]
    assert not measured.sky[320, 1] and not measured.sky[320, 320 + 310]  # 1.8 degrees above the horizon
    assert measured.sun is not None and whole.sun is not None and whole.calibration is not None
    assert measured.sun.azimuth_rad == pytest.approx(whole.sun.azimuth_rad, abs=1e-6)
    assert measured.calibration is not None and measured.calibration.scale == pytest.approx(
        whole.calibration.scale, rel=0.02
    )
    assert ground_luminance(black, covered) is None and z.min() < 0


def test_a_part_of_the_sky_is_no_panorama() -> None:
    sky = scene("clear")
    covered = np.zeros(sky.shape[:2], dtype=bool)
    covered[:, 100:200] = True
    assert (
        examine(Panorama(np.where(covered[..., None], sky, 0).astype(np.float32), (), covered)).reason == "not_panorama"
    )
    nothing = np.zeros(sky.shape[:2], dtype=bool)
    assert examine(Panorama(np.zeros_like(sky), (), nothing)).reason == "not_panorama"


@pytest.mark.parametrize("light", [1e12, 3e38])
def test_one_pixel_beyond_all_others_makes_no_dark_sky(light: float) -> None:
    """A hot pixel, or a sun as strong as float32 holds."""
    sky = scene("clear")
    hot, strong = sky.copy(), np.where(sky > 100, np.float32(light), sky)
    hot[30, 300] = light
    for radiance in (hot, strong):
        measured = examine(Panorama(radiance, ()))
        assert measured.evidence.black_share == 0 and measured.reason != "sun_only"
    assert measured.reason is None and measured.sun is not None


def test_a_sun_in_the_dark_is_named_so() -> None:
    sky = scene("clear")
    assert examine(Panorama(np.where(sky > 100, sky, 0).astype(np.float32), ())).reason == "sun_only"
    noise = np.random.default_rng(2).uniform(0, 1e-5, sky.shape)
    assert examine(Panorama(np.where(sky > 100, sky, noise).astype(np.float32), ())).reason == "sun_only"
