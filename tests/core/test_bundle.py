"""Bundles: the shipped one loads; every damaged variant is one clear line that names what is wrong."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skygen_addon.core.bundle import DRAFT_FIELD, GRAPH_FILES, graph_hashes, installed_bundle, load_bundle
from skygen_addon.core.errors import BundleError

DESCRIPTION: dict[str, Any] = {
    "schema": 1,
    "name": "test",
    "graphs": {},
    "lattice": {
        "window": 64, "levels": 3, "factor": 4, "texel_km": 0.02, "condition_size": 4, "condition_cell_texels": 64,
        "noise": [
            {"name": "noise_a", "channels": 2, "size": 8, "cell_texels": 16},
            {"name": "noise_b", "channels": 1, "size": 64, "cell_texels": 1},
        ],
    },
    "weather": {"step_s": 600.0, "hidden": 8, "deviation": [1.0, 2.0, 0.5, 1.0], "warmup_steps": 20},
    "disc_size": 32, "training_manifest_sha256": "0" * 64, "licence": "GPL-3.0-or-later", "figures": {"a": {"b": 1.0}},
}  # fmt: skip
DELETE = object()


def write(folder: Path, description: dict[str, Any]) -> None:
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")


def described(folder: Path) -> dict[str, Any]:
    return {**copy.deepcopy(DESCRIPTION), "graphs": graph_hashes(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose graphs are three different texts."""
    for name in GRAPH_FILES:
        (tmp_path / name).write_bytes(name.encode() * 9)
    (tmp_path / "MODEL_CARD.md").write_text("card")
    write(tmp_path, described(tmp_path))
    return tmp_path


@pytest.fixture
def folder_with_draft(folder: Path) -> Path:
    """The same with wider windows and a field for drafts."""
    (folder / DRAFT_FIELD).write_bytes(b"draft")
    wide = copy.deepcopy(DESCRIPTION["lattice"]) | {"window": 256}
    smaller = copy.deepcopy(wide) | {"window": 192}
    smaller["noise"][1]["size"] = 32
    write(folder, described(folder) | {"lattice": wide, "draft_lattice": smaller})
    return folder


def refused(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert caught.value.remedy.endswith(".") and "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return caught.value


def test_a_field_for_drafts_and_its_lattice_arrive(folder_with_draft: Path) -> None:
    bundle = load_bundle(folder_with_draft)
    assert bundle.draft_lattice is not None
    assert (bundle.draft_lattice.window, bundle.draft_lattice.noise[1].size) == (192, 32)
    assert (bundle.lattice.window, bundle.lattice.noise[1].size) == (256, 64)


def test_a_field_for_drafts_without_its_lattice_is_refused(folder_with_draft: Path) -> None:
    description = json.loads((folder_with_draft / "model.json").read_text(encoding="utf-8"))
    del description["draft_lattice"]
    write(folder_with_draft, description)
    assert DRAFT_FIELD in refused(folder_with_draft).message
    del description["graphs"][DRAFT_FIELD]
    write(folder_with_draft, description)
    assert f"{DRAFT_FIELD} of" in refused(folder_with_draft).message


def test_a_lattice_for_drafts_without_its_field_is_refused(folder_with_draft: Path) -> None:
    (folder_with_draft / DRAFT_FIELD).unlink()
    description = json.loads((folder_with_draft / "model.json").read_text(encoding="utf-8"))
    assert DRAFT_FIELD in description["graphs"] and f"lacks {DRAFT_FIELD}" in refused(folder_with_draft).message


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"window": 264}, "draft_lattice.window"), ({"window": 184}, "draft_lattice.window is 184, expected from 192"),
        ({"window": 196}, "draft_lattice: lattice.window is 196"),
        ({"texel_km": 0.05}, "draft_lattice.texel_km is 0.05, expected that of lattice, 0.02"),
        ({"noise": []}, "noise"), ({"noise": 3}, "draft_lattice.noise"),
    ],
)  # fmt: skip
def test_a_lattice_for_drafts_is_the_whole_one_with_other_sizes(
    folder_with_draft: Path, changes: dict[str, Any], named: str
) -> None:
    description = json.loads((folder_with_draft / "model.json").read_text(encoding="utf-8"))
    write(folder_with_draft, description | {"draft_lattice": description["draft_lattice"] | changes})
    assert named in refused(folder_with_draft).message


def test_values_arrive_as_stated(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.lattice.snap_texels == 64 and bundle.weather.deviation == (1.0, 2.0, 0.5, 1.0)
    assert bundle.lattice.field_sizes() == {
        "L": 3, "N": 64, "S_condition": 4, "C_noise_a": 2, "S_noise_a": 8, "C_noise_b": 1, "S_noise_b": 64,
    }  # fmt: skip


@pytest.mark.parametrize("window", [8, 64, 128, 512, 1024])
def test_windows_of_other_sizes_are_allowed(folder: Path, window: int) -> None:
    data = described(folder)
    data["lattice"]["window"] = window  # training and tests use small ones
    write(folder, data)
    assert load_bundle(folder).lattice.window == window


def test_one_bundle_is_installed_and_several_are_refused(tmp_path: Path) -> None:
    for name in ("one", ".one.abc", ".one.17.old"):  # an export that was cut off leaves hidden folders
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text("{}")
    assert installed_bundle(tmp_path) == tmp_path / "one"
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "model.json").write_text("{}")
    with pytest.raises(BundleError, match="several model bundles .*: one, two"):
        installed_bundle(tmp_path)
    with pytest.raises(BundleError, match="no model bundle"):
        installed_bundle(tmp_path / "one")


def test_the_shipped_bundle_states_its_own_graphs() -> None:
    bundle = load_bundle(installed_bundle())
    stated = json.loads((bundle.folder / "model.json").read_text(encoding="utf-8"))["graphs"]
    assert stated == {
        n: hashlib.sha256((bundle.folder / n).read_bytes()).hexdigest() for n in (*GRAPH_FILES, DRAFT_FIELD)
    }


@pytest.mark.parametrize(
    "path, value, named",
    [
        (("schema",), 2, "schema"), (("schema",), True, "schema"), (("schema",), "1", "schema"),
        (("schema",), DELETE, "schema"), (("extra",), 1, "extra"),
        *((key, DELETE, key[-1]) for key in [
            ("name",), ("graphs",), ("lattice",), ("weather",), ("disc_size",), ("training_manifest_sha256",),
            ("licence",), ("figures",), ("graphs", "shade.onnx"), ("lattice", "noise"), ("lattice", "texel_km"),
            ("lattice", "noise", 0, "size"), ("weather", "hidden"),
        ]),
        (("name",), "", "name"), (("name",), 3, "name"),
        (("name",), "two\nlines", "name"), (("licence",), None, "licence"),
        (("training_manifest_sha256",), "ab", "training_manifest"), (("figures",), [], "figures"),
        (("figures", "a", "b"), math.nan, "figures.a.b"), (("figures", "a", "b"), [1.0, math.inf], "figures.a.b"),
        (("disc_size",), 256.0, "disc_size"), (("disc_size",), 31, "disc_size"), (("disc_size",), 0, "disc_size"),
        (("disc_size",), 10**9, "disc_size"), (("disc_size",), "256", "disc_size"), (("disc_size",), True, "disc_size"),
        (("graphs",), [], "graphs"), (("graphs", "other.onnx"), "0" * 64, "other.onnx"),
        (("graphs", "field.onnx"), "cafe", "field.onnx"), (("graphs", "field.onnx"), None, "field.onnx"),
        (("lattice",), [], "lattice"), (("lattice", "window"), 63, "window"), (("lattice", "window"), "64", "window"),
        (("lattice", "window"), 64.0, "window"), (("lattice", "window"), -64, "window"),
        (("lattice", "window"), None, "window"), (("lattice", "levels"), 0, "levels"),
        (("lattice", "levels"), 2.5, "levels"),
        (("lattice", "window"), 0, "window"), (("lattice", "window"), 66, "window"),
        (("lattice", "window"), 68, "multiple of 8"), (("lattice", "levels"), 2, "levels"),
        (("lattice", "levels"), 4, "levels"), (("lattice", "levels"), True, "levels"),
        (("lattice", "levels"), 3.0, "levels"),
        *((("lattice", "factor"), wrong, "factor") for wrong in (1, 2, 3, 8, 4.0, "4", None)),
        (("lattice", "texel_km"), 0, "texel_km"), (("lattice", "texel_km"), -0.02, "texel_km"),
        (("lattice", "texel_km"), math.nan, "texel_km"), (("lattice", "texel_km"), math.inf, "texel_km"),
        (("lattice", "texel_km"), True, "texel_km"), (("lattice", "texel_km"), [0.02], "texel_km"),
        (("lattice", "condition_size"), 3, "condition_size"), (("lattice", "condition_size"), "4", "condition_size"),
        (("lattice", "condition_cell_texels"), 24, "divisor of 24"),
        (("lattice", "condition_cell_texels"), 32, "detail tile is 64"),
        (("lattice", "condition_cell_texels"), 96, "detail tile is 64"),
        (("lattice", "condition_cell_texels"), 0, "condition"),
        (("lattice", "extra"), 1, "extra"), (("lattice", "noise"), [], "noise"), (("lattice", "noise"), None, "noise"),
        (("lattice", "noise"), {}, "noise"), (("lattice", "noise", 0), 7, "noise"),
        (("lattice", "noise", 0, "name"), "noise_b", "noise_b"), (("lattice", "noise", 0, "name"), "condition", "name"),
        (("lattice", "noise", 0, "name"), 4, "name"), (("lattice", "noise", 0, "size"), 7, "noise_a.size"),
        (("lattice", "noise", 0, "size"), 8.0, "noise_a.size"),
        (("lattice", "noise", 0, "channels"), 0, "noise_a.channels"),
        (("lattice", "noise", 0, "cell_texels"), 12, "noise_a"),
        (("lattice", "noise", 0, "cell_texels"), "16", "noise_a"),
        (("lattice", "noise", 0, "extra"), 1, "extra"),
        (("weather",), None, "weather"), (("weather", "step_s"), 0, "step_s"), (("weather", "step_s"), "600", "step_s"),
        (("weather", "step_s"), math.nan, "step_s"), (("weather", "step_s"), 1e9, "step_s"),
        (("weather", "hidden"), 8.5, "hidden"), (("weather", "hidden"), 0, "hidden"),
        (("weather", "warmup_steps"), 0, "warmup_steps"), (("weather", "warmup_steps"), 10**9, "warmup_steps"),
        (("weather", "deviation"), [1.0] * 3, "deviation"), (("weather", "deviation"), 1.0, "deviation"),
        (("weather", "deviation", 2), -1.0, "grain"), (("weather", "deviation", 3), math.nan, "haze"),
        (("weather", "deviation", 0), "1", "cover"), (("weather", "extra"), 1, "extra"),
    ],
)  # fmt: skip
def test_damaged_descriptions_are_refused(folder: Path, path: tuple[Any, ...], value: Any, named: str) -> None:
    data = described(folder)
    at: Any = data
    for key in path[:-1]:
        at = at[key]
    if value is DELETE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    write(folder, data)
    assert named in refused(folder).message


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_other_files_are_refused(folder: Path, text: bytes) -> None:
    (folder / "model.json").write_bytes(text)
    assert "model.json" in refused(folder).message


@pytest.mark.parametrize("name", [*GRAPH_FILES, "MODEL_CARD.md", "model.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refused(folder).message


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", GRAPH_FILES)
@pytest.mark.parametrize("damage", [_truncate, _flip_a_bit, lambda p: p.write_bytes(b"")], ids=["cut", "bit", "empty"])
def test_a_damaged_graph_is_named(folder: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(folder / name)
    message = refused(folder).message
    assert name in message and not any(other in message for other in GRAPH_FILES if other != name)


def test_exchanged_graphs_are_named(folder: Path) -> None:
    field, shade = ((folder / n).read_bytes() for n in GRAPH_FILES[:2])
    (folder / "field.onnx").write_bytes(shade)
    (folder / "shade.onnx").write_bytes(field)
    assert "field.onnx, shade.onnx" in refused(folder).message


@pytest.mark.parametrize("name", GRAPH_FILES)
def test_the_identity_follows_each_graph(folder: Path, name: str) -> None:
    before = load_bundle(folder).identity
    (folder / name).write_bytes(b"trained again")
    write(folder, described(folder))
    assert load_bundle(folder).identity != before


def test_a_large_bundle_is_refused(folder: Path) -> None:
    os.truncate(folder / "field.onnx", 17 * 2**20)
    write(folder, described(folder))
    assert "16 MB" in refused(folder).message
