"""The add-on's preferences: model, threads and device reach every process that renders, and are checked before."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from recording_layout import drawn

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def preferences(package: Any) -> Any:
    """The preferences, as they were afterwards."""
    found = bpy.context.preferences.addons[MODULE].preferences
    yield found
    for name in ("model_folder", "threads", "device", "measured", "devices", "live_memory_mb"):
        found.property_unset(name)


def panel() -> Any:
    """What the preferences show."""
    cls = part("blender.engine.preferences").SkyGenPreferences
    found = bpy.context.preferences.addons[MODULE].preferences
    names = ("model_folder", "threads", "device", "measured", "devices", "live_memory_mb")
    body = {name: vars(cls)[name] for name in ("draw", "device_words", "testing_words")} | {"bl_rna": found.bl_rna}
    return drawn(type("Preferences", (), body | {name: getattr(found, name) for name in names}))


def test_they_explain_themselves_and_have_safe_defaults(preferences: Any) -> None:
    own = [p for p in preferences.bl_rna.properties if p.identifier not in ("rna_type", "name", "bl_idname")]
    assert {p.identifier for p in own} == {"model_folder", "threads", "device", "devices", "measured", "live_memory_mb"}
    assert [p.identifier for p in own if len(p.description) < 10 or p.description.endswith(".")] == []
    assert (preferences.model_folder, preferences.threads, preferences.device) == ("", 0, "cpu")
    assert preferences.live_memory_mb == 1000 and "live_memory_mb" in panel().props
    assert panel().operators == ["skygen.test_device", "skygen.clear_live_memory"]
    assert part("blender.engine.preferences_access").engine_options() == []
    words = " ".join(panel().texts)
    assert words.startswith("Model: ") and "schema 1" in words and " MB" in words


def test_a_chosen_model_bakes_and_makes_older_frames_stale(
    preferences: Any, world: Any, renderer: Any, models: Path, tmp_path: Path
) -> None:
    settings = world.skygen
    settings.frame_start, settings.frame_end, settings.width = 1, 2, "512"
    settings.output_folder = str(tmp_path / "sky")
    bpy.ops.skygen.bake_sequence()
    states = part("blender.bake.sequence_state").sky_states
    assert [state.icon for state in states(bpy.context, world)] == ["CHECKMARK"]
    other = shutil.copytree(models / "test", tmp_path / "other")
    description = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(description | {"name": "another"}))
    preferences.model_folder = str(other)
    assert "Model: another" in " ".join(panel().texts)
    assert any("another SkyGen version" in state.text for state in states(bpy.context, world))
    renderer.forget()
    with pytest.raises(RuntimeError, match="bundle"):  # one sequence is never of two models: see job_record
        settings.frame_end = 1
        bpy.ops.skygen.bake_sequence(skip_existing=True)
    settings.frame_end = 2
    bpy.ops.skygen.bake_sequence(skip_existing=True)
    assert len(renderer.requests) == 2
    assert json.loads((tmp_path / "sky" / "sky.json").read_text())["bundle"]["name"] == "another"
    assert [state.icon for state in states(bpy.context, world)] == ["CHECKMARK"]


@pytest.mark.parametrize("fault", ["missing", "newer", "damaged", "relative"])
def test_a_model_that_is_none_is_told_there_and_nothing_takes_its_place(
    preferences: Any, world: Any, renderer: Any, models: Path, tmp_path: Path, fault: str
) -> None:
    other = shutil.copytree(models / "test", tmp_path / "other")
    description = json.loads((other / "model.json").read_text())
    if fault == "missing":
        (other / "model.json").unlink()
    elif fault == "newer":
        (other / "model.json").write_text(json.dumps(description | {"schema": 99}))
    elif fault == "damaged":
        (other / "field.onnx").write_bytes(b"x")
    preferences.model_folder = "other" if fault == "relative" else str(other)
    words = " ".join(panel().texts)
    told = {"missing": "model.json", "newer": "schema", "damaged": "field.onnx", "relative": "no full path"}
    assert told[fault] in words and not words.startswith("Model: ")
    world.skygen.output_folder = str(tmp_path / "sky")
    with pytest.raises(RuntimeError, match=told[fault]):
        bpy.ops.skygen.bake_sequence()
    assert renderer.requests == [] and not (tmp_path / "sky").exists()


def test_threads_and_device_reach_the_bake(
    preferences: Any, world: Any, renderer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, commands = part("blender.engine.child"), []
    started = child.subprocess.Popen

    def note(command: Any, **options: Any) -> Any:
        commands.append(command)
        return started(command, **options)

    monkeypatch.setattr(child.subprocess, "Popen", note)
    world.skygen.frame_end, world.skygen.width = 1, "512"
    world.skygen.output_folder = str(tmp_path / "sky")
    preferences.threads = 2
    bpy.ops.skygen.bake_sequence()
    assert "--device" not in commands[0] and commands[0][commands[0].index("--threads") + 1] == "2"
    preferences.device = "quantum"
    with pytest.raises(RuntimeError, match="no device 'quantum' .* Use one of cpu"):
        bpy.ops.skygen.bake_sequence()
    assert commands[1][commands[1].index("--device") + 1] == "quantum"


def test_a_running_test_of_the_device_is_told(preferences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part("blender.engine.preferences"), "is_running", lambda _, name: name.endswith("test_device"))
    words = " ".join(panel().texts)
    assert "CPU is being tested" in words and "Esc" in words and "not measured yet" not in words


def test_the_device_is_measured_in_a_process_of_its_own(preferences: Any) -> None:
    """With the model that ships: a real frame rate; and where the processor is all there is, no choice of one."""
    assert "not measured yet" in " ".join(panel().texts) and "device" not in panel().props
    assert bpy.ops.skygen.test_device() == {"FINISHED"}
    label, _, words = preferences.measured.partition(": ")
    number, _, unit = words.partition(" ")
    assert label == "CPU" and unit in ("frames a second, 512 pixels wide", "s a frame, 512 pixels wide")
    assert 1.0 <= float(number) < 1000 or unit.startswith("s ")  # whichever of the two is above 1
    assert [device.name for device in preferences.devices][0] == "cpu"
    words, only = " ".join(panel().texts), len(preferences.devices) == 1
    assert preferences.measured in words
    assert ("no other device" in words) == only and ("device" in panel().props) == (not only)
    preferences.device = "quantum"
    assert preferences.measured == "" and "device" in panel().props  # so that it can be put right
    with pytest.raises(RuntimeError, match="quantum was not measured: .* Use one of cpu"):
        bpy.ops.skygen.test_device()
    import sys

    assert "onnxruntime" not in sys.modules


def test_measuring_leaves_the_interface_alone(preferences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window: it returns at once, follows a timer, and Esc ends the process."""
    module = part("blender.operators.test_device")
    cls = module.SKYGEN_OT_test_device
    names = ("invoke", "modal", "cancel", "_started", "_keep", "_end")
    operator = type("Operator", (), {name: vars(cls)[name] for name in names})()
    operator.reports = []
    operator.report = lambda kind, text: operator.reports.append(text)
    monkeypatch.setattr(module, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
    manager = SimpleNamespace(
        event_timer_add=lambda seconds, window: "timer",
        event_timer_remove=lambda timer: None,
        modal_handler_add=lambda operator: True,
        windows=[],
    )
    context = SimpleNamespace(window_manager=manager, window=object(), screen=None)
    timer, escape = SimpleNamespace(type="TIMER", value="NOTHING"), SimpleNamespace(type="ESC", value="PRESS")
    assert operator.invoke(context, timer) == {"RUNNING_MODAL"}
    assert operator.modal(context, timer) == {"PASS_THROUGH"} and operator._test.is_running()
    assert operator.modal(context, escape) == {"CANCELLED"} and not operator._test.is_running()
    assert preferences.measured == "" and operator.reports == []
    running = SimpleNamespace(modal_operators=[SimpleNamespace(bl_idname="SKYGEN_OT_test_device")])
    for windows, allowed in (([], True), ([running], False)):  # two tests would measure each other
        assert cls.poll(SimpleNamespace(window_manager=SimpleNamespace(windows=windows))) == allowed


@pytest.mark.parametrize(
    "rate, beside, words",
    [
        (12.34, (), "CPU: 12.3 frames a second, 512 pixels wide"),
        (1.0, (), "CPU: 1.0 frames a second, 512 pixels wide"),
        (0.37, (), "CPU: 2.7 s a frame, 512 pixels wide"),
        (
            0.1,
            ("a bake", "the live preview"),
            "CPU: 10.0 s a frame, 512 pixels wide. Measured while a bake and the live preview ran: slower than alone",
        ),
    ],
)
def test_a_speed_is_told_as_people_understand_it(
    package: Any, rate: float, beside: tuple[str, ...], words: str
) -> None:
    assert part("blender.engine.device_test").DeviceSpeed("cpu", rate, ("cpu",), 0.0).in_words(beside) == words


def test_what_works_beside_a_test_is_told(preferences: Any, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has worked at any moment of the test counts, also when it has ended before."""
    module, live = part("blender.operators.test_device"), part("blender.live.live_state")
    state = [live.NOTHING]
    monkeypatch.setattr(module, "PREVIEW", SimpleNamespace(state=lambda shown: state[0]))
    window = SimpleNamespace(modal_operators=[], scene=SimpleNamespace(world=world), screen=SimpleNamespace(areas=[]))
    manager = SimpleNamespace(windows=[window], event_timer_remove=lambda timer: None)
    context, beside = SimpleNamespace(window_manager=manager), module.work_beside
    assert beside(context) == set()
    for working in (
        live.rendering([], 2.0),
        live.rendering([1.0, 1.5, 2.0], 2.0),
        live.render_waits(),
        live.starting(),
    ):
        state[0] = working
        assert beside(context) == {"the live preview"}
    for resting in (live.up_to_date(512, 1.0, covered=False), live.bake_is_shown()):
        state[0] = resting
        assert beside(context) == set()
    cls = module.SKYGEN_OT_test_device
    operator = type("Operator", (), {name: vars(cls)[name] for name in ("modal", "_keep", "_end")})()
    operator.report, operator._timer, operator._beside = lambda kind, text: None, None, set()
    running = [True]
    speed = part("blender.engine.device_test").DeviceSpeed("cpu", 0.5, ("cpu",), 0.0)
    operator._test = SimpleNamespace(is_running=lambda: running[0], result=lambda: speed)
    window.modal_operators.append(SimpleNamespace(bl_idname="SKYGEN_OT_bake_sequence"))
    timer = SimpleNamespace(type="TIMER", value="NOTHING")
    assert operator.modal(context, timer) == {"PASS_THROUGH"}
    window.modal_operators.clear()
    running[0] = False
    assert operator.modal(context, timer) == {"FINISHED"}
    assert preferences.measured.endswith("Measured while a bake ran: slower than alone")


def test_a_dragged_budget_is_applied_when_it_rests(preferences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a slider on its way through little would have what is kept thrown away."""
    module, memory = part("blender.engine.preferences"), part("blender.live.live_memory")
    applied: list[int] = []
    monkeypatch.setattr(memory, "apply_budget", lambda: applied.append(preferences.live_memory_mb))
    waiting: list[tuple[Any, float]] = []
    timers = SimpleNamespace(
        register=lambda call, first_interval: waiting.append((call, first_interval)),
        unregister=lambda call: waiting.clear(),
        is_registered=lambda call: any(call is other for other, _ in waiting),
    )
    monkeypatch.setattr(module, "bpy", SimpleNamespace(app=SimpleNamespace(background=False, timers=timers)))
    for megabytes in (800, 300, 20, 900):
        preferences.live_memory_mb = megabytes
    assert applied == [] and [seconds for _, seconds in waiting] == [module.REST_S]
    assert waiting[0][0]() is None and applied == [900]  # a timer that returns nothing is not called again
    module._forget_budget()
    assert waiting == []


def test_a_device_with_wrong_frames_is_told(preferences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that counts with 16 bits is fast and makes other clouds."""
    speed = part("blender.engine.device_test").DeviceSpeed
    for difference, right in ((0.0, True), (0.009, True), (0.02, False), (None, False)):
        assert speed("coreml", 5.0, ("cpu", "coreml"), difference).is_right == right
    module = part("blender.operators.test_device")
    made = SimpleNamespace(result=lambda: speed("coreml", 5.0, ("cpu", "coreml"), 0.2))
    monkeypatch.setattr(module, "DeviceTest", lambda device, threads: made)
    with pytest.raises(RuntimeError, match="are not those of the CPU"):
        bpy.ops.skygen.test_device()
    assert "wrong" in preferences.measured and "device" in panel().props
