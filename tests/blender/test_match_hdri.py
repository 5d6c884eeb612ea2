"""Match HDRI in Blender: settings, seed and pictures of a matched panorama, undo, reload, several worlds, bad files."""

from __future__ import annotations

import importlib
import json
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from recording_layout import drawn

MODULE = "bl_ext.user_default.skygen"
METHODS = ("execute", "modal", "cancel", "_conclude", "_apply", "_show_progress", "_end")


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


def write_hdr(path: Path, radiance: np.ndarray) -> None:
    """Flat RGBE scan lines."""
    exponent = np.ceil(np.log2(np.maximum(radiance.max(axis=-1), 1e-30)))
    mantissa = np.clip(radiance / 2.0 ** exponent[..., None] * 256, 0, 255)
    pixels = np.concatenate([mantissa, exponent[..., None] + 128], axis=-1).astype(np.uint8)
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {radiance.shape[0]} +X {radiance.shape[1]}\n"
    path.write_bytes(head.encode() + pixels.tobytes())


def clear_sky(azimuth_deg: float, elevation_deg: float, width: int = 512) -> np.ndarray:
    """The model's clear sky over brown ground, with a sun of a few pixels."""
    geometry, measuring = part("core.geometry"), part("core.measuring.calibration")
    sun = geometry.direction_from_angles(math.radians(azimuth_deg), math.radians(elevation_deg))
    directions = geometry.panorama_directions(width)
    radiance = measuring.model_radiance(directions, sun, 1.5)
    radiance[directions[..., 2] < 0] = (0.12, 0.1, 0.06)
    radiance[directions @ sun > math.cos(math.radians(0.8))] = 3000.0
    return 4.0 * radiance


@pytest.fixture
def panorama(package: Any, tmp_path: Path) -> Path:
    path = tmp_path / "my sky.hdr"
    write_hdr(path, clear_sky(222.0, 31.0))
    return path


@pytest.fixture
def stub(package: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A renderer of clear skies in the process of the match; its folder takes a ``behaviour``."""
    folder = tmp_path / "stub"
    folder.mkdir()
    monkeypatch.setenv("STUB_FOLDER", str(folder))
    process = part("blender.match.match_process")
    command = process.bake_command()
    script = str(Path(__file__).with_name("match_stub.py"))
    monkeypatch.setattr(process, "bake_command", lambda: [*command[:-2], script, "skygen"])
    monkeypatch.setattr(part("blender.bake.changes_over_bake"), "ask", lambda context, world: None)
    return folder


def test_a_panorama_sets_sun_haze_exposure_and_ground(world: Any, stub: Path, panorama: Path) -> None:
    settings = world.skygen
    settings.time_scale, settings.weather_strength, settings.sun.placement = 30.0, 0.5, "DATE_PLACE"
    assert bpy.ops.skygen.match_hdri(filepath=str(panorama)) == {"FINISHED"}
    assert math.degrees(settings.sun_azimuth) == pytest.approx(222.0, abs=0.5)
    assert math.degrees(settings.sun_elevation) == pytest.approx(31.0, abs=0.5)
    assert settings.haze == pytest.approx(1.5, rel=0.2)
    assert settings.exposure == pytest.approx(2.0, abs=0.05)  # the file is four times as bright as the model
    np.testing.assert_allclose(settings.ground_albedo, (0.12, 0.1, 0.06), rtol=0.15)
    assert settings.white_balance_temperature == pytest.approx(6500.0, rel=0.05)  # colours are the model's
    assert settings.white_balance_tint == pytest.approx(0.0, abs=4.0)
    assert settings.low.cover == settings.high.cover == 0.0
    assert settings.sun.placement == "DIRECTION"
    assert (settings.time_scale, settings.weather_strength) == (30.0, 0.5)


def test_a_panoramas_white_balance_is_set(world: Any, stub: Path, panorama: Path) -> None:
    """The renderer of the test knows no white balance: what the match sets is what it found."""
    gains = part("core.white_balance").white_balance_gains(5400.0, 6.0)
    write_hdr(panorama, clear_sky(222.0, 31.0) * gains)
    assert bpy.ops.skygen.match_hdri(filepath=str(panorama)) == {"FINISHED"}
    settings = world.skygen
    assert settings.white_balance_temperature == pytest.approx(5400.0, rel=0.05)
    assert settings.white_balance_tint == pytest.approx(6.0, abs=4.0)
    found = settings.match.found.splitlines()
    assert f"White balance {settings.white_balance_temperature:.0f} K, tint {settings.white_balance_tint:+.0f}" in found


def test_what_was_found_and_both_pictures_are_in_the_file(
    world: Any, stub: Path, panorama: Path, tmp_path: Path
) -> None:
    bpy.ops.skygen.match_hdri(filepath=str(panorama))
    panorama.unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    match = bpy.data.worlds["Artist"].skygen.match
    assert match.source == str(panorama)
    assert match.found.splitlines()[0].startswith("Sun at azimuth 222")
    for image in (match.panorama_picture, match.sky_picture):
        assert tuple(image.size) == (512, 256) and image.packed_file is not None
    left, right = (
        np.array(image.pixels[:]).reshape(256, 512, 4)[140:, :, :3]
        for image in (match.panorama_picture, match.sky_picture)
    )
    assert abs(left - right).mean() < 0.03  # the upper halves show the same sky
    bpy.data.worlds["Artist"].skygen.haze = 5.0
    assert bpy.ops.skygen.apply_match() == {"FINISHED"}
    assert bpy.data.worlds["Artist"].skygen.haze == pytest.approx(1.5, rel=0.2)


def test_undo_takes_a_match_back_and_redo_brings_it_again(world: Any, stub: Path, panorama: Path) -> None:
    before = world.skygen.sun_azimuth
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.skygen.match_hdri(filepath=str(panorama))
    bpy.ops.ed.undo_push(message="Match HDRI")
    bpy.ops.ed.undo()
    settings = bpy.data.worlds["Artist"].skygen
    assert settings.match.source == "" and settings.sun_azimuth == before
    bpy.ops.ed.redo()
    settings = bpy.data.worlds["Artist"].skygen
    assert math.degrees(settings.sun_azimuth) == pytest.approx(222.0, abs=0.5)
    assert settings.match.sky_picture is not None


def test_worlds_are_matched_apart_and_old_pictures_go(world: Any, stub: Path, panorama: Path) -> None:
    bpy.ops.skygen.match_hdri(filepath=str(panorama))
    copy = world.copy()
    bpy.context.scene.world = copy
    write_hdr(panorama, clear_sky(80.0, 50.0))
    for _ in range(2):
        bpy.ops.skygen.match_hdri(filepath=str(panorama))
    assert math.degrees(world.skygen.sun_azimuth) == pytest.approx(222.0, abs=0.5)
    assert math.degrees(copy.skygen.sun_azimuth) == pytest.approx(80.0, abs=0.5)
    assert world.skygen.match.sky_picture != copy.skygen.match.sky_picture
    assert len([image for image in bpy.data.images if image.name.startswith(".SkyGen")]) == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.hdr", None, "does not exist"),
        ("picture.hdr", b"\x89PNG\r\n\x1a\n", "without high dynamic range"),
        ("empty.exr", b"", "empty"),
        ("text.exr", b"hello", "no HDR picture"),
        ("cut.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 256 +X 512\n\x02", "truncated"),
        ("huge.hdr", b"#?RADIANCE\n\n-Y 40000 +X 80000\n\x02", "too large"),
    ],
)
def test_bad_files_are_refused_with_a_remedy_and_change_nothing(
    world: Any, stub: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    before = world.skygen.sun_azimuth
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RuntimeError, match=message):
        bpy.ops.skygen.match_hdri(filepath=str(tmp_path / name))
    assert world.skygen.sun_azimuth == before and world.skygen.match.source == ""


def test_other_shapes_and_small_ones_are_refused(world: Any, stub: Path, tmp_path: Path) -> None:
    for shape, message in (((256, 256, 3), "not 2:1"), ((64, 128, 3), "below 256 pixels")):
        write_hdr(tmp_path / "shape.hdr", np.ones(shape, dtype=np.float32))
        with pytest.raises(RuntimeError, match=message):
            bpy.ops.skygen.match_hdri(filepath=str(tmp_path / "shape.hdr"))
    with pytest.raises(RuntimeError, match="No file was chosen"):
        bpy.ops.skygen.match_hdri(filepath=str(tmp_path))


@pytest.mark.parametrize(("how", "message"), [("defect", "ZeroDivisionError"), ("crash", "crashed")])
def test_a_process_that_fails_is_told(world: Any, stub: Path, panorama: Path, how: str, message: str) -> None:
    (stub / "behaviour").write_text(how)
    with pytest.raises(RuntimeError, match=message):
        bpy.ops.skygen.match_hdri(filepath=str(panorama))
    assert world.skygen.match.source == ""


@pytest.fixture
def operator(world: Any, stub: Path, panorama: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator's own methods where there is a window, which Blender as a module has not."""
    module = part("blender.operators.match_hdri")
    app = SimpleNamespace(background=False)
    monkeypatch.setattr(module, "bpy", SimpleNamespace(app=app, data=bpy.data, path=bpy.path))
    made = type("Operator", (), {name: vars(module.SKYGEN_OT_match_hdri)[name] for name in METHODS})()
    made.filepath, made.anyway, made.reports = str(panorama), False, []
    made.report = lambda kind, text: made.reports.append((*kind, text))
    return made


def interface() -> SimpleNamespace:
    redrawn: list[str] = []
    area = SimpleNamespace(type="PROPERTIES", tag_redraw=lambda: redrawn.append("panel"))
    manager = SimpleNamespace(
        windows=[SimpleNamespace(screen=SimpleNamespace(areas=[area]))],
        event_timer_add=lambda seconds, window: "timer",
        event_timer_remove=lambda timer: None,
        modal_handler_add=lambda operator: True,
    )
    said: list[str | None] = []
    workspace = SimpleNamespace(status_text_set=said.append)
    scene = SimpleNamespace(world=bpy.context.scene.world)
    shown = {"workspace": workspace, "scene": scene, "said": said, "redrawn": redrawn}
    return SimpleNamespace(window_manager=manager, window=object(), **shown)


def follow(operator: Any, context: Any) -> set[str]:
    """What the operator's timer comes to."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        result = operator.modal(context, SimpleNamespace(type="TIMER", value="NOTHING"))
        if result != {"PASS_THROUGH"}:
            return set(result)
        time.sleep(0.05)
    raise AssertionError("the match did not end")


def test_with_a_window_the_interface_stays_free(operator: Any, world: Any) -> None:
    context = interface()
    started = time.monotonic()
    assert operator.execute(context) == {"RUNNING_MODAL"}
    assert time.monotonic() - started < 1.0
    assert context.said == ["SkyGen: Starting to match (Esc cancels)"] and context.redrawn == ["panel"]
    assert operator.modal(context, SimpleNamespace(type="MOUSEMOVE", value="NOTHING")) == {"PASS_THROUGH"}
    state = importlib.import_module(f"{MODULE}.blender.match.match_state")
    assert state.doing_in_words() == "Starting to match"
    assert follow(operator, context) == {"FINISHED"}
    assert state.doing_in_words() == ""
    assert any("Measuring the panorama" in (words or "") for words in context.said) and context.said[-1] is None
    assert operator.reports[0][0] == "INFO" and "my sky.hdr" in operator.reports[0][1]
    assert math.degrees(world.skygen.sun_azimuth) == pytest.approx(222.0, abs=0.5)


def test_esc_cancels_and_leaves_the_sky(operator: Any, world: Any, stub: Path) -> None:
    (stub / "behaviour").write_text("slow")
    context = interface()
    operator.execute(context)
    time.sleep(1.0)
    assert operator.modal(context, SimpleNamespace(type="ESC", value="PRESS")) == {"RUNNING_MODAL"}
    assert follow(operator, context) == {"CANCELLED"}
    assert operator.reports == [("WARNING", "Matching was cancelled: the sky stays as it is.")]
    assert world.skygen.match.source == ""


def test_another_file_ends_the_match_and_leaves_nothing(operator: Any, stub: Path) -> None:
    """Blender cancels the operator then, and nobody asks for its end."""
    (stub / "behaviour").write_text("slow")
    context = interface()
    operator.execute(context)
    thread, pictures = operator._thread, operator._thread.process.pictures
    time.sleep(1.0)
    assert thread.is_alive() and pictures.is_dir()
    operator.cancel(context)
    thread.join(20)
    assert not thread.is_alive() and not thread.process._process.is_running()
    assert not pictures.exists() and context.said[-1] is None


def test_closing_the_file_browser_is_no_fault(operator: Any) -> None:
    operator.cancel(interface())


def test_the_section_draws_before_and_after_a_match(world: Any, stub: Path, panorama: Path) -> None:
    panel = bpy.types.SKYGEN_PT_world_match
    shown = drawn(panel)
    assert shown.operators == ["skygen.match_hdri"] and shown.icons == 0
    bpy.ops.skygen.match_hdri(filepath=str(panorama))
    shown = drawn(panel)
    assert shown.icons == 2 and shown.operators == ["skygen.match_hdri", "skygen.apply_match"]
    assert "my sky.hdr" in shown.texts and any("Sun at azimuth 222" in text for text in shown.texts)


def test_the_name_of_a_panorama_from_another_system_is_short(world: Any) -> None:
    world.skygen.match.controls, world.skygen.match.source = "{}", "C:\\skies\\noon 2.hdr"
    texts = drawn(bpy.types.SKYGEN_PT_world_match).texts
    assert "noon 2.hdr" in texts
    world.skygen.match.source = "/home/a/skies/noon 3.hdr"
    assert "noon 3.hdr" in drawn(bpy.types.SKYGEN_PT_world_match).texts


def test_pictures_that_cannot_be_read_leave_nothing(world: Any, stub: Path, panorama: Path, tmp_path: Path) -> None:
    bpy.ops.skygen.match_hdri(filepath=str(panorama))
    match, before = world.skygen.match, (len(bpy.data.images), world.skygen.match.found)
    folder = tmp_path / "pictures"
    folder.mkdir()
    match.panorama_picture.save(filepath=str(folder / "panorama.png"))  # and no other one
    messages, errors = part("runtime.match.match_messages"), part("core.errors")
    found = messages.MatchFound(part("core.controls").SkyControls(), 1, ("Another",), ())
    with pytest.raises(errors.RequestError, match="cannot be read"):
        part("blender.match.match_result").note_match(world, panorama, found, folder)
    assert (len(bpy.data.images), match.found) == before and match.sky_picture is not None


def test_kept_settings_of_another_version_are_told(world: Any, stub: Path) -> None:
    world.skygen.match.controls = json.dumps({"unknown": 1})
    with pytest.raises(RuntimeError, match="unknown"):
        bpy.ops.skygen.apply_match()
