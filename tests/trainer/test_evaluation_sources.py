"""Sources of skies: the same requests for all of a bundle's ablations, and skies that are drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skygen_addon.core.bundle import installed_bundle
from skygen_addon.core.errors import RequestError
from skygen_addon.core.presets import preset_names
from trainer.evaluation.pages.sheets import GAP, chosen_evenly, draw_sheet, write_blind_sheets
from trainer.evaluation.skies.sources import bundle_source, evolving, preset_requests, steady, stored_source
from trainer.evaluation.skies.systems import SHIPPED, all_sources


def test_every_preset_comes_in_turn_and_no_two_requests_are_alike() -> None:
    names = preset_names()
    requests = preset_requests(2 * len(names))
    assert [name for name, _ in requests] == [*names, *names]
    assert len({request for _, request in requests}) == len(requests)
    assert preset_requests(3) == requests[:3]  # more skies leave the first ones alone
    first, again = requests[0][1], requests[len(names)][1]
    assert first.seed != again.seed and first.sun_azimuth_rad != again.sun_azimuth_rad
    assert first.sun_elevation_rad == again.sun_elevation_rad


def test_ablations_draw_the_same_requests_and_only_what_differs_is_drawn_again() -> None:
    """Of the shipped presets only one has weather, so steady skies share the keys of all others."""
    requests = preset_requests(12)
    whole = bundle_source("a", "", installed_bundle(), requests)
    assert set(whole.keys).isdisjoint(bundle_source("b", "", installed_bundle(), requests, correction=False).keys)
    assert set(whole.keys).isdisjoint(bundle_source("c", "", installed_bundle(), requests, detail=False).keys)
    calm = bundle_source("d", "", installed_bundle(), steady(requests))
    assert [preset for preset, a, b in zip(whole.labels, whole.keys, calm.keys, strict=True) if a != b] == [
        "endless_day"
    ]
    moved = bundle_source("e", "", installed_bundle(), evolving(requests))
    assert [a != b for a, b in zip(whole.keys, moved.keys, strict=True)].count(False) == 1


def test_a_sky_is_drawn_once(tmp_path: Path) -> None:
    drawn = []

    def draw(number: int) -> np.ndarray:
        drawn.append(number)
        return np.full((2, 4, 3), number, np.float32)

    source = stored_source("x", "", np.zeros((2, 2, 4, 3), np.float32), "key")
    source = type(source)(source.name, source.words, source.keys, draw, source.labels)
    first = [source.sky(number, tmp_path) for number in (0, 1)]
    again = [source.sky(number, tmp_path) for number in (0, 1)]
    assert drawn == [0, 1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(list(tmp_path.iterdir())) == 2


def test_the_shipped_bundle_always_stands_first_and_2021_needs_its_run(tmp_path: Path) -> None:
    sources = all_sources(installed_bundle(), preset_requests(12), ["detail_off"], None, tmp_path)
    assert [s.name for s in sources] == [SHIPPED, "detail_off"]
    with pytest.raises(RequestError, match="needs its run"):
        all_sources(installed_bundle(), preset_requests(12), ["dense_2021"], None, tmp_path)


def test_sheets_hold_the_same_pictures_and_only_one_names_them(tmp_path: Path) -> None:
    def pictures(values: range) -> list[tuple[str, np.ndarray]]:
        return [(f"sky{v}", np.full((8, 16, 3), v, np.uint8)) for v in values]

    write_blind_sheets(pictures(range(100, 105)), pictures(range(200, 205)), tmp_path, each=3)
    sheets = [np.array(Image.open(tmp_path / f"sheet_{kind}.png")) for kind in ("unlabelled", "labelled")]
    shown = [sheet[GAP + 4, GAP + column * (16 + GAP) + 8, 0] for sheet in sheets for column in range(6)]
    assert shown[:6] == shown[6:]
    assert sorted(v // 100 for v in shown[:6]) == [1, 1, 1, 2, 2, 2]
    assert [v // 100 for v in shown[:6]] != [1, 1, 1, 2, 2, 2]  # shuffled
    assert not np.array_equal(sheets[0], sheets[1])


def test_numbers_are_spread_evenly() -> None:
    assert chosen_evenly(3, 5) == [0, 1, 2]
    assert chosen_evenly(8, 4) == [1, 3, 5, 7]


def test_a_sheet_of_one_picture_can_be_read_back(tmp_path: Path) -> None:
    draw_sheet([np.full((4, 6, 3), 77, np.uint8)], ["x"], tmp_path / "one.png")
    assert (np.array(Image.open(tmp_path / "one.png"))[GAP : GAP + 4, GAP : GAP + 6] == 77).all()
