"""Near-duplicates: copies are found through every harmless change, similar skies are not confused."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from skygen_addon.core.geometry import REC709_LUMINANCE, direction_from_angles, panorama_directions
from skygen_addon.core.measuring.calibration import model_radiance
from skygen_addon.runtime.panoramas.panorama_file import read_panorama
from trainer.captures.curation.agreement import MAX_DISTANCE, Agreement, Fields, compare, stored_fields
from trainer.captures.curation.duplicates import fingerprint, mark_duplicates
from trainer.captures.items import item_path

Radiance = NDArray[np.float32]
REAL = Path(__file__).parents[3] / "shared" / "captures" / "hdri"
WIDTH = 512


def texture(seed: int, size_px: float, width: int = WIDTH) -> NDArray[np.float64]:
    """Smooth noise (H, W) of unit deviation that wraps around the horizon."""
    noise = np.random.default_rng(seed).normal(size=(width // 2, width))
    smooth = ndimage.gaussian_filter(noise, size_px, mode=("nearest", "wrap"))
    return np.asarray(smooth / smooth.std())


def with_ground(sky: NDArray[Any], seed: int) -> Radiance:
    """A sky above a made landscape."""
    up = panorama_directions(sky.shape[1])[..., 2:] > 0
    return np.where(up, sky, 0.05 * np.exp(0.6 * texture(seed, 12))[..., None] * [1.2, 1.0, 0.7]).astype(np.float32)


def clear(elevation_deg: float, seed: int, haze: float = 1.0, azimuth_deg: float = 120.0) -> Radiance:
    """A model sky without a cloud."""
    sun = direction_from_angles(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
    directions = np.maximum(panorama_directions(WIDTH), [-1, -1, 0])
    return with_ground(model_radiance(directions, sun, haze), seed)


def cloudy(seed: int, ground_seed: int) -> Radiance:
    """A sky with clouds."""
    clear_sky = clear(40, 0)
    cover = 1 / (1 + np.exp(-3 * texture(seed, 14)))[..., None]
    return with_ground(clear_sky * (1 - cover) + 0.6 * cover, ground_seed)


def hazy_overcast(seed: int, ground_seed: int) -> Radiance:
    """A grey sky brighter overhead, with faint structure."""
    z = np.maximum(panorama_directions(WIDTH)[..., 2:], 0)
    return with_ground((1 + 2 * z) / 3 * np.exp(0.06 * texture(seed, 20))[..., None] * np.ones(3), ground_seed)


def turned(radiance: Radiance, degrees: float, mirror: bool = False) -> Radiance:
    """A panorama turned by any angle, between pixels too."""
    width = radiance.shape[1]
    place = (np.arange(width) - degrees / 360 * width) % width
    left = np.floor(place).astype(int)
    share = (place - left)[None, :, None].astype(np.float32)
    moved = radiance[:, left % width] * (1 - share) + radiance[:, (left + 1) % width] * share
    return moved[:, ::-1] if mirror else moved


def halved(radiance: Radiance) -> Radiance:
    """The same at half the resolution."""
    height, width = radiance.shape[:2]
    return radiance.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))


def jpeg(radiance: Radiance, burnt_share: float = 0.02) -> Radiance:
    """Decoded 8-bit JPEG of a panorama exposed so that this share of its upper half is burnt out."""
    rows = radiance.shape[0] // 2
    weight = np.sin((np.arange(rows) + 0.5) / radiance.shape[0] * np.pi)[:, None] * np.ones(radiance.shape[1])
    brightest = radiance[:rows].max(axis=-1).ravel()
    order = np.argsort(brightest)
    share = np.cumsum(weight.ravel()[order])
    white = brightest[order][np.searchsorted(share, share[-1] * (1 - burnt_share))]
    light = np.clip(radiance / white, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    stream = io.BytesIO()
    Image.fromarray((encoded * 255 + 0.5).astype(np.uint8)).save(stream, format="JPEG", quality=75)
    with Image.open(stream) as picture:
        read = np.asarray(picture, dtype=np.float32) / 255
    return np.where(read <= 0.04045, read / 12.92, ((read + 0.055) / 1.055) ** 2.4).astype(np.float32)


def fields(radiance: Radiance) -> Fields:
    return stored_fields(fingerprint(radiance))


def agreement(copy: Radiance, original: Radiance) -> Agreement:
    return compare(fields(copy), fields(original))


COPIES = {
    "turned a little": lambda r: turned(r, 7.3),
    "turned and mirrored": lambda r: turned(r, 101.0, mirror=True),
    "darker": lambda r: 0.01 * r,
    "half size": halved,
    "tinted": lambda r: r * np.float32([1.15, 1.0, 0.85]),
    "contrast": lambda r: r**0.8,
    "jpeg": jpeg,
    "all at once": lambda r: jpeg(halved(turned(0.01 * r, 221.9, mirror=True))),
}


@pytest.mark.parametrize("change", COPIES)
@pytest.mark.parametrize("scene", ["clear", "cloudy", "overcast"])
def test_a_copy_is_found_whatever_was_done_to_it(scene: str, change: str) -> None:
    original = {"clear": clear(40, 1), "cloudy": cloudy(2, 3), "overcast": hazy_overcast(4, 5)}[scene]
    assert agreement(COPIES[change](original), original).same_scene


DIFFERENT = {
    "two clear skies, one sun height": lambda: (clear(40, 1), clear(40, 2)),
    "two hazy overcasts": lambda: (hazy_overcast(1, 2), hazy_overcast(3, 4)),
    "one place, another sky": lambda: (cloudy(1, 7), cloudy(2, 7)),
    "one place, another hour": lambda: (clear(25, 7), clear(40, 7, azimuth_deg=170)),
    "two cloudy skies": lambda: (cloudy(1, 2), cloudy(3, 4)),
}


@pytest.mark.parametrize("pair", DIFFERENT)
def test_skies_that_only_look_alike_are_told_apart(pair: str) -> None:
    first, second = DIFFERENT[pair]()
    for found in (agreement(first, second), agreement(second, first)):
        assert not found.same_scene and not found.same_sky
        assert found.distance > 2 * MAX_DISTANCE  # as far outside as copies are inside


def test_clear_skies_over_their_mirror_image_are_not_called_copies() -> None:
    """Retouched "pure skies" show a mirrored sky below the horizon: nothing but the sun's height tells them apart."""
    skies = [clear(elevation, 1) for elevation in (40, 42)]
    first, second = (np.concatenate([s[: WIDTH // 4], s[: WIDTH // 4][::-1]]) for s in skies)
    assert not agreement(first, second).same_scene and not agreement(first, second).same_sky
    assert agreement(turned(first, 33.3), first).same_scene


def test_a_sky_above_another_ground_is_the_same_sky_but_no_copy() -> None:
    found = agreement(turned(cloudy(1, 2), 64.4, mirror=True), cloudy(1, 3))
    assert found.same_sky and not found.same_scene


def test_a_fingerprint_does_not_ask_for_size_or_scale() -> None:
    sky = cloudy(1, 2)
    double = np.repeat(np.repeat(sky, 2, axis=0), 2, axis=1)
    first = fingerprint(sky).astype(int)
    for same in (double, 1e4 * sky):
        assert np.abs(fingerprint(same).astype(int) - first).max() <= 2  # steps of 1/2048, from rounding
    assert first.shape == (2, 32, 64)
    assert not fingerprint(np.zeros((128, 256, 3), np.float32)).any()  # a black picture tells nothing


class Captures:
    """A data folder with made items."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.entries: dict[str, dict[str, Any]] = {}
        (data / "items").mkdir()

    def add(self, file: str, stored: NDArray[Any], width: int = 1024, **more: Any) -> dict[str, Any]:
        sha256 = more.pop("sha256", f"{len(self.entries):064d}"[::-1])
        np.savez(item_path(self.data, sha256), fingerprint=stored)
        entry = {"file": file, "sha256": sha256, "site": Path(file).stem, "width": width, "verdict": "keep"}
        entry["licence"] = None
        entry |= {"reason": None, "flags": [], "state": {"cover": 0.5}, **more}
        self.entries[file] = entry
        return entry

    def mark(self, overrides: dict[str, Any] | None = None) -> dict[str, str | None]:
        (self.data / "overrides.json").write_text(json.dumps(overrides or {}))
        mark_duplicates(self.data, self.entries)
        return {file: entry["state"].get("duplicate_of") for file, entry in self.entries.items()}


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path)


def test_the_wider_one_stays_then_the_first_by_name(captures: Captures) -> None:
    sky = cloudy(1, 2)
    captures.add("a.hdr", fingerprint(halved(sky)), 256)
    captures.add("c.hdr", fingerprint(sky), 512)
    captures.add("b.hdr", fingerprint(turned(sky, 200)), 512)
    captures.add("other.hdr", fingerprint(cloudy(5, 2)), 256)
    assert captures.mark() == {"a.hdr": "b.hdr", "c.hdr": "b.hdr", "b.hdr": None, "other.hdr": None}
    rejected = captures.entries["a.hdr"]
    assert (rejected["verdict"], rejected["reason"], rejected["site"]) == ("reject", "duplicate", "b")
    json.dumps(captures.entries, allow_nan=False)  # the manifest holds what was noted


def test_the_same_file_twice_is_a_duplicate_even_of_a_sky_without_features(captures: Captures) -> None:
    flat = fingerprint(np.ones((128, 256, 3), np.float32))
    captures.add("a.hdr", flat, sha256="f" * 64)
    captures.add("b.hdr", flat, sha256="f" * 64)
    captures.add("c.hdr", flat)  # as featureless, but another file: not known to be the same
    assert captures.mark() == {"a.hdr": None, "b.hdr": "a.hdr", "c.hdr": None}


def test_a_person_is_obeyed(captures: Captures) -> None:
    sky = cloudy(1, 2)
    for name, width in (("a.hdr", 2048), ("b.hdr", 1024), ("c.hdr", 512)):
        captures.add(name, fingerprint(sky), width)
    overrides = {"a.hdr": {"verdict": "reject", "reason": "graded"}, "c.hdr": {"verdict": "keep", "reason": None}}
    assert captures.mark(overrides) == {"a.hdr": None, "b.hdr": None, "c.hdr": None}
    assert captures.entries["c.hdr"]["verdict"] == "keep"
    assert captures.entries["c.hdr"]["site"] == captures.entries["b.hdr"]["site"]  # still one sky


def test_frames_brackets_rejected_and_older_items_take_no_part(captures: Captures) -> None:
    sky = fingerprint(cloudy(1, 2))
    captures.add("a.hdr", sky)
    captures.add("day/frame.jpg", sky, flags=["timelapse"])
    captures.add("exposure.jpg", sky, flags=["bracket_member"], state={"merged_into": "a.hdr"})
    captures.add("night.hdr", sky, verdict="reject", reason="night")
    captures.add("old.hdr", np.zeros((12, 24), np.int8))
    captures.add("gone.hdr", sky)
    item_path(captures.data, captures.entries["gone.hdr"]["sha256"]).unlink()
    assert set(captures.mark().values()) == {None}
    assert captures.entries["night.hdr"]["reason"] == "night"


def test_a_second_run_compares_nothing_and_one_more_capture_only_itself(
    captures: Captures, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = cloudy(1, 2)
    for number in range(4):  # one sky above four grounds, and a copy of the first
        captures.add(f"{number}.hdr", fingerprint(cloudy(1, 10 + number)))
    captures.add("copy.hdr", fingerprint(turned(cloudy(1, 10), 77)), 512)
    calls = []

    def counted(copy: Fields, original: Fields) -> Agreement:
        calls.append(1)
        return compare(copy, original)

    monkeypatch.setattr("trainer.captures.curation.duplicates.compare", counted)
    untouched = json.dumps(captures.entries)
    first = captures.mark()
    lines, made = json.dumps(captures.entries), len(calls)
    assert first["copy.hdr"] == "0.hdr" and made >= 6  # all pairs of the four at least
    captures.entries = json.loads(untouched)
    captures.mark()
    assert len(calls) == made and json.dumps(captures.entries) == lines
    captures.entries = json.loads(untouched)
    captures.add("4.hdr", fingerprint(with_ground(sky, 14)))
    captures.mark()
    assert made < len(calls) <= made + 5  # it with each of the others
    (captures.data / "compared.json").write_text('{"make": 3, "pairs": [')
    captures.entries = json.loads(untouched)
    captures.mark()
    assert json.dumps(captures.entries) == lines  # a damaged note costs time only


def test_views_of_one_sky_share_a_site_and_a_held_out_site_keeps_its_name(captures: Captures) -> None:
    captures.add("big.hdr", fingerprint(cloudy(1, 2)), 2048)
    captures.add("wreck.hdr", fingerprint(turned(cloudy(1, 3), 50)), site="aristea_wreck")
    captures.add("big_too.hdr", fingerprint(cloudy(8, 9)), site="big")
    assert set(captures.mark().values()) == {None}
    assert {e["site"] for e in captures.entries.values()} == {"aristea_wreck"}
    flags = {file: entry["flags"] for file, entry in captures.entries.items()}
    assert flags == {"big.hdr": ["same_sky"], "wreck.hdr": ["same_sky"], "big_too.hdr": []}
    assert captures.entries["wreck.hdr"]["state"]["same_sky_as"] == "big.hdr"


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared captures are not here")
def test_every_real_capture_is_found_again_and_none_is_taken_for_another(tmp_path: Path) -> None:
    real: dict[str, Radiance] = {}
    for path in sorted(REAL.iterdir()):
        radiance = read_panorama(path).radiance
        while radiance.shape[1] > 1024:
            radiance = halved(radiance)
        real[path.name] = radiance
    captures = Captures(tmp_path)
    expected: dict[str, str | None] = {}
    for name, radiance in real.items():
        captures.add(name, fingerprint(radiance))
        expected[name] = None
        copies = {
            "turned": turned(0.01 * radiance, 7.3, mirror=True),
            "half": halved(turned(radiance, 101.0)),
            "jpeg": jpeg(turned(radiance, 250.6)),
            "all": jpeg(halved(turned(0.01 * radiance, 33.3, mirror=True)), 0.05),
        }
        for kind, copy in copies.items():
            captures.add(f"{name} {kind}", fingerprint(copy), 512)
            expected[f"{name} {kind}"] = name
    assert captures.mark() == expected
    assert all((e["verdict"] == "keep") == (expected[file] is None) for file, e in captures.entries.items())
    distances = [e["state"]["duplicate_distance"] for e in captures.entries.values() if "duplicate_of" in e["state"]]
    prints = {name: fields(radiance) for name, radiance in real.items()}
    pairs = {(a, b): compare(prints[a], prints[b]) for a, b in itertools.permutations(prints, 2)}
    nearest_false = min(found.distance for found in pairs.values())
    assert max(distances) < MAX_DISTANCE / 1.5 < 2 * MAX_DISTANCE < nearest_false  # a margin on both sides
    same_sky = {pair for pair, found in pairs.items() if found.same_sky}
    wreck = ("aristea_wreck_1k.hdr", "aristea_wreck_puresky_1k.hdr")
    assert same_sky == {wreck, wreck[::-1]}  # its ground was painted over; the sky is the same
    assert [f for f, e in captures.entries.items() if "same_sky" in e["flags"]] == list(wreck)
    print(f"copies up to {max(distances):.3f}, different skies from {nearest_false:.3f}")


def test_brightness_weights_are_those_of_the_project() -> None:
    """A pure blue and a pure red sky of one luminance have one fingerprint."""
    shape = np.exp(0.5 * texture(1, 10))[..., None]
    red = (shape * [1 / REC709_LUMINANCE[0], 0, 0]).astype(np.float32)
    blue = (shape * [0, 0, 1 / REC709_LUMINANCE[2]]).astype(np.float32)
    # empty channels are at their own maximum everywhere, so both count as burnt: only the first half is compared
    assert np.abs(fingerprint(red)[0].astype(int) - fingerprint(blue)[0]).max() <= 2
