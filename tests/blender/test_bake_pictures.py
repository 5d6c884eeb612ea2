"""Pictures beside baked frames: chosen in the panel, by the command and in the job; counted and told."""

from __future__ import annotations

import importlib
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from recording_layout import drawn

MODULE = "bl_ext.user_default.skygen"
Usage = namedtuple("Usage", "total used free")
ENDINGS = {"png": ".png", "jpeg": ".jpg"}


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def sky(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """Four frames of 512 pixels to bake."""
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 4, "512"
    bpy.context.scene.frame_end = 4
    settings.output_folder = str(tmp_path / "sky")
    return world


def names(folder: Path, ending: str) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ending)


def outlook(world: Any) -> list[str]:
    states = part("blender.bake.bake_outlook").bake_outlook(bpy.context, world)
    return [state.text for state in states]


def shown(path: Path) -> np.ndarray:
    """A picture as Blender reads it, 0 to 255, row 0 at the bottom."""
    image = bpy.data.images.load(str(path), check_existing=False)
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    assert image.colorspace_settings.name == "sRGB" and image.depth == 24
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[..., :3] * 255


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_blender_reads_the_pictures_and_the_world_keeps_the_frames(sky: Any, tmp_path: Path, kind: str) -> None:
    """The red of the known sky, 0.1 and a sixtieth of the time in seconds, far from the sun, under the tone curve."""
    sky.skygen.pictures = kind
    bpy.ops.skygen.bake_sequence()
    folder = tmp_path / "sky"
    assert names(folder, ENDINGS[kind]) == [f"sky_{frame:04d}{ENDINGS[kind]}" for frame in range(1, 5)]
    assert sky.node_tree.nodes["SkyGen Sky"].image.filepath.endswith("sky_0001.exr")
    assert json.loads((folder / "sky.json").read_text())["output"]["pictures"] == kind
    picture = np.median(shown(folder / f"sky_0001{ENDINGS[kind]}"), axis=(0, 1))
    linear = np.array([0.1, 0.2, 0.3]) * 2
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    mapped = linear * (1 + luminance / 36) / (1 + luminance)
    expected = (1.055 * mapped ** (1 / 2.4) - 0.055) * 255
    assert picture == pytest.approx(expected, abs=1.0 if kind == "png" else 3.0)


def test_pictures_are_no_other_sky_and_come_without_rendering(sky: Any, renderer: Any, tmp_path: Path) -> None:
    bpy.ops.skygen.bake_sequence()
    states = part("blender.bake.sequence_state").sky_states
    assert outlook(sky) == [] and [state.icon for state in states(bpy.context, sky)] == ["CHECKMARK"]
    sky.skygen.pictures = "png"
    assert [state.icon for state in states(bpy.context, sky)] == ["CHECKMARK"]
    (line,) = outlook(sky)
    assert line.startswith("4 pictures to bake: about ") and line.endswith(" more on disk")
    renderer.forget()
    bpy.ops.skygen.bake_sequence(skip_existing=True)
    assert renderer.requests == [] and len(names(tmp_path / "sky", ".png")) == 4
    assert outlook(sky) == [] and [state.icon for state in states(bpy.context, sky)] == ["CHECKMARK"]
    (tmp_path / "sky" / "sky_0003.png").unlink()
    assert outlook(sky)[0].startswith("1 picture to bake: about ")


def test_the_disk_space_counts_them(sky: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, folder = part("blender.bake.bake_space"), tmp_path / "sky"

    def wanted(pictures: str, **storage: str) -> Any:
        wish = {"pixel_format": "auto", "compression": "zip"} | storage
        return space.bake_space(folder, range(1, 5), 512, pictures=pictures, **wish)

    typical = 4 * 1.6 * 512 * 256
    for pictures, share in (("none", 0.0), ("png", 0.3), ("jpeg", 0.15)):
        assert wanted(pictures).bytes == pytest.approx(typical * (1 + share), abs=1)
        floats = wanted(pictures, pixel_format="float").bytes  # the picture is as large whatever the frame is
        assert floats == pytest.approx(4 * 9.0 * 512 * 256 + share * typical, abs=1)
    assert (wanted("none").pictures, wanted("png").pictures) == (0, 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**13, 0, int(0.22 * typical)))
    sky.skygen.pictures = "png"
    with pytest.raises(RuntimeError, match="but the disk of .* left"):  # a fifth of 1.3 is 0.26
        bpy.ops.skygen.bake_sequence()
    assert not folder.exists()
    sky.skygen.pictures = "none"
    assert bpy.ops.skygen.bake_sequence() == {"FINISHED"}


def test_a_file_of_somebody_else_is_told_and_kept(sky: Any, renderer: Any, tmp_path: Path) -> None:
    (tmp_path / "sky").mkdir()
    (tmp_path / "sky" / "sky_0002.jpg").write_bytes(b"a render of mine")
    sky.skygen.pictures = "jpeg"
    with pytest.raises(RuntimeError, match="sky_0002.jpg is not a picture that SkyGen has baked.*another folder"):
        bpy.ops.skygen.bake_sequence()
    assert renderer.requests == []
    assert [path.read_bytes() for path in (tmp_path / "sky").iterdir()] == [b"a render of mine"]


def test_the_command_takes_the_files_choice_or_its_own(sky: Any, tmp_path: Path, capsys: Any) -> None:
    def run(*words: str) -> int:
        return int(part("blender.command").run(["bake", "--frames", "1-2", "--width", "64", "--no-save", *words]))

    sky.skygen.pictures = "jpeg"
    choices: list[tuple[tuple[str, ...], set[str]]] = [((), {".jpg"})]
    choices += [(("--pictures", "png"), {".png"}), (("--pictures", "none"), set())]
    for number, (words, endings) in enumerate(choices):
        folder = tmp_path / str(number)
        assert run("--out", str(folder), *words) == 0
        assert {path.suffix for path in folder.iterdir()} == {".exr", ".json", *endings}
    capsys.readouterr()
    assert run("--out", str(tmp_path / "bad"), "--pictures", "gif") == 2
    error = capsys.readouterr().err
    assert "none, png, jpeg" in error and error.count("\n") == 1 and not (tmp_path / "bad").exists()


def test_the_panel_shows_the_choice(sky: Any) -> None:
    assert "pictures" in drawn(bpy.types.SKYGEN_PT_world_bake).props
    prop = sky.skygen.bl_rna.properties["pictures"]
    assert (prop.name, [item.name for item in prop.enum_items]) == ("Also Write", ["Nothing", "PNG", "JPEG"])
    assert not prop.is_animatable
