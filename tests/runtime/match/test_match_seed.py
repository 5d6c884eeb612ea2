"""Which sky a match sets out from: what is known of the panorama's sun, and the seed whose sun is like it."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.geometry import FloatArray, direction_from_angles, disc_directions
from skygen_addon.core.measuring.cloud_look import CloudLook
from skygen_addon.core.measuring.cloud_opacity import CloudEstimate
from skygen_addon.core.measuring.sun_position import SunPosition
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.match.match_seed import MOST_SEEDS, glimpses, sun_astray
from skygen_addon.runtime.match.match_sun import SunPlace
from skygen_addon.runtime.match.match_view import Found, Light, is_behind_clouds, sun_is_clipped

SIZE = 160
AZIMUTH, ELEVATION = math.radians(150.0), math.radians(35.0)
SUN = direction_from_angles(AZIMUTH, ELEVATION).astype(np.float32)
LOOK = CloudLook(0.4, 0.25, 0.6, False, 0.15, 0.4, 2.9)


def sun_seen(energy_ratio: float) -> SunPosition:
    return SunPosition(AZIMUTH, ELEVATION, 100.0, energy_ratio, energy_ratio < 1.0, math.radians(0.2))


def degrees_from_sun() -> FloatArray:
    return np.degrees(np.arccos(np.clip(disc_directions(SIZE) @ SUN, -1, 1))).astype(np.float32)


def glow() -> FloatArray:
    """A clear sky (N, N, 3) that is brighter toward the sun, alike on all sides of it."""
    return ((0.2 + 2.0 / (1.0 + degrees_from_sun()))[..., None] * np.array([0.6, 0.8, 1.0])).astype(np.float32)


def known(disc: FloatArray, sky: np.ndarray, sun: SunPosition | None, **facts: Any) -> Any:
    """What a measuring found, as far as the sun's tests ask for it."""
    return SimpleNamespace(disc=disc, sky=sky, sun=sun, **facts)


def estimate(sky: np.ndarray) -> CloudEstimate:
    """No clouds 12 to 20 degrees off the sun."""
    nothing = np.zeros(sky.shape, dtype=np.float32)
    return CloudEstimate(nothing, nothing, sky, False, nothing, 0.0)


def test_a_weak_sun_in_an_even_glow_is_clipped_and_one_behind_a_small_cloud_is_veiled() -> None:
    disc, sky = glow(), disc_directions(SIZE)[..., 2] > 0
    assert sun_is_clipped(known(disc, sky, sun_seen(0.05)), estimate(sky))
    assert not sun_is_clipped(known(disc, sky, sun_seen(4.0)), estimate(sky))
    veiled = disc.copy()
    off = degrees_from_sun()
    veiled[off < 4.0] *= np.where(disc_directions(SIZE)[..., 0] > SUN[0], 0.15, 1.5)[off < 4.0][:, None]
    assert not sun_is_clipped(known(veiled, sky, sun_seen(0.05)), estimate(sky))


def test_a_sun_that_is_not_seen_is_behind_clouds_unless_something_dark_stands_there() -> None:
    disc, place = glow(), SunPlace(AZIMUTH, ELEVATION, "sky")
    whole = disc_directions(SIZE)[..., 2] > 0
    masked = whole & (degrees_from_sun() > 12.0)
    assert is_behind_clouds(known(disc, whole, None), place)
    assert is_behind_clouds(known(disc, masked, None), place)  # as bright as the sky: a cloud, whatever the mask says
    house = np.where(masked[..., None], disc, np.float32(0.03))
    assert not is_behind_clouds(known(house, masked, None), place)
    assert not is_behind_clouds(known(disc, whole, sun_seen(1.0)), place)


def found(ratio: float | None, *, behind_clouds: bool = False, clipped: bool = False) -> Found:
    """A panorama of cumulus whose sun is ``ratio`` times as strong as its sky."""
    sky = disc_directions(SIZE)[..., 2] > 0
    sun = None if ratio is None else sun_seen(ratio)
    view = SimpleNamespace(
        sky=sky,
        sun=SunPlace(AZIMUTH, ELEVATION, "disc"),
        light=lambda disc: Light(1.0, 0.3, 0.8, 1.0),
        clouds=lambda disc: estimate(sky),
    )
    measured = known(glow(), sky, sun)
    light = Light(2.0, 0.6, 0.8, 1.0)
    sunlight = 2.0 * (ratio or 0.0)
    unseen: Any = None
    return Found(measured, view, LOOK, "cumulus", True, light, unseen, sunlight, clipped, behind_clouds)  # type: ignore[arg-type]


def frame(through: float, free_ratio: float = 4.0) -> Any:
    """A try whose sun would be four times as strong as its sky without clouds."""
    light = free_ratio * through
    return SimpleNamespace(sun=SimpleNamespace(irradiance=(light, light, light), transmittance=through))


@pytest.mark.parametrize(
    ("ratio", "through", "is_right"),
    [
        (4.0, 1.0, True), (4.0, 0.5, True), (4.0, 0.1, False), (4.0, 0.0, False),
        (0.05, 0.01, True), (0.05, 0.0, True), (0.05, 1.0, False),
        (1.0, 0.3, True), (1.0, 0.0, False), (1.0, 1.0, False),
    ],
)  # fmt: skip
def test_the_suns_share_of_the_light_tells_whether_it_is_right(ratio: float, through: float, is_right: bool) -> None:
    astray = sun_astray(found(ratio), frame(through), Light(1.0, 0.3, 0.8, 1.0))
    assert (astray == 0.0) == is_right


def test_a_free_sun_is_worse_for_a_veiled_one_than_a_hidden_sun_is() -> None:
    veiled, light = found(0.1), Light(1.0, 0.3, 0.8, 1.0)
    assert sun_astray(veiled, frame(1.0), light) > sun_astray(veiled, frame(0.0), light)


def test_a_sun_behind_clouds_is_to_be_hidden_and_one_behind_a_house_need_not() -> None:
    light = Light(1.0, 0.3, 0.8, 1.0)
    assert sun_astray(found(None, behind_clouds=True), frame(1.0), light) > 0.5
    assert sun_astray(found(None, behind_clouds=True), frame(0.001), light) == 0.0
    assert sun_astray(found(None), frame(1.0), light) == 0.0
    assert sun_astray(found(0.05, clipped=True), frame(0.9), light) == 0.0
    assert sun_astray(found(0.05, clipped=True), frame(0.1), light) > 0.5


def test_seeds_are_looked_at_until_one_has_the_right_sun_and_the_most_alike_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = {0: (1.0, 0.4), 1: (0.0, 0.9), 2: (0.0, 0.62), 3: (0.0, 0.42), 4: (0.0, 0.4)}
    asked: list[int] = []

    class Drafts:
        def render_draft(self, request: SkyRequest) -> Any:
            asked.append(request.seed)
            through, cover = looks[request.seed]
            return SimpleNamespace(radiance=np.full((8, 16, 3), cover, np.float32), sun=frame(through).sun)

    monkeypatch.setattr(
        "skygen_addon.runtime.match.match_seed.cloud_look",
        lambda disc, sky, clouds: replace(LOOK, cover=float(disc.max())),
    )
    told: list[int] = []
    hidden = found(None, behind_clouds=True)
    seen = glimpses(lambda seed: SkyRequest(width=64, seed=seed), hidden, Drafts(), told.append)
    assert asked == told == [0, 1, 2, 3]  # the fourth is good enough: the fifth is not asked for
    assert [glimpse.seed for glimpse in seen] == [3, 2, 0, 1] and seen[0].astray == 0.0
    looks.update(dict.fromkeys(range(MOST_SEEDS), (1.0, 0.4)))
    asked.clear()
    glimpses(lambda seed: SkyRequest(width=64, seed=seed), hidden, Drafts(), told.append)
    assert asked == list(range(MOST_SEEDS))
