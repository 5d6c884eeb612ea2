"""Bakes are processes of their own: how they start, end, are stopped, and outlive nothing."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy
import pytest

MODULE = "bl_ext.user_default.skygen"


def part(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def job(world: Any, renderer: Any, tmp_path: Path) -> Any:
    """Four frames of 64 pixels."""
    plan = part("blender.bake.bake_plan")
    wanted = plan.plan_of_settings(world, bpy.context.scene, frames=range(1, 5), folder=tmp_path / "sky", width=64)
    return plan.job_of_plan(bpy.context, world, wanted)


def files(job: Any) -> list[str]:
    return sorted(path.name for path in job.folder.iterdir())


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(true: Any, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(true())


def test_progress_and_result(job: Any, renderer: Any) -> None:
    renderer.behave("chatter")  # what is not a report is passed over
    seen: list[Any] = []
    result = part("blender.bake.bake_process").run_job(job, on_progress=seen.append)
    assert result.written == (1, 2, 3, 4) and not result.cancelled
    assert [(p.frame, p.done, p.total, p.skipped) for p in seen] == [(n, n, 4, False) for n in (1, 2, 3, 4)]
    assert seen[-1].seconds_left == 0 and seen[0].seconds_left > 0 and seen[0].frames_per_second > 0
    assert files(job) == ["sky.json", *(f"sky_{n:04d}.exr" for n in (1, 2, 3, 4))]


def test_a_stopped_bake_keeps_whole_frames_and_goes_on(job: Any, renderer: Any) -> None:
    process = part("blender.bake.bake_process")
    assert process.run_job(job).written == (1, 2, 3, 4)
    whole = {name: (job.folder / name).read_bytes() for name in files(job)}
    for name in files(job):
        (job.folder / name).unlink()
    renderer.behave("slow")
    bake = process.BakeProcess(job)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(bake.follow(lambda p: bake.stop())))
    thread.start()
    thread.join(60)
    (result,) = results
    assert result.cancelled and result.written in ((1,), (1, 2))
    assert not running(bake.pid)
    assert files(job) == ["sky.json", *(f"sky_{n:04d}.exr" for n in result.written)]
    renderer.behave("")
    resumed = process.run_job(job, skip_existing=True)
    assert resumed.skipped == result.written
    assert {name: (job.folder / name).read_bytes() for name in files(job)} == whole


def test_a_bake_that_does_not_listen_is_ended_by_force(
    job: Any, renderer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = part("blender.bake.bake_process")
    monkeypatch.setattr(process, "GRACE_S", 0.2)
    renderer.behave("slow")
    bake = process.BakeProcess(job)
    assert wait_until((job.folder / "sky.json").is_file)
    os.kill(bake.pid, signal.SIGSTOP)  # neither the end of its input nor an interrupt can reach it
    (job.folder / f".sky_0004.exr.{bake.pid}.tmp").write_bytes(b"half")
    bake.stop()
    assert bake.follow().cancelled
    assert not running(bake.pid) and "sky.json" in files(job)
    assert not [name for name in files(job) if name.endswith(".tmp")]


def test_the_job_is_handed_over_and_taken_back(job: Any, renderer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []
    process = part("blender.bake.bake_process")
    write_job = process.write_job

    def note(job: Any, path: Path) -> None:
        folders.append(path.parent)
        write_job(job, path)

    monkeypatch.setattr(process, "write_job", note)
    process.run_job(job)
    assert part("core.job").read_job(job.folder / "sky.json") == job
    assert len(folders) == 1 and folders[0] != job.folder and not folders[0].exists()


def test_a_part_baked_again_leaves_the_larger_job(job: Any, renderer: Any) -> None:
    process = part("blender.bake.bake_process")
    process.run_job(job)
    renderer.forget()
    assert process.run_job(job.select((3,))).written == (3,)
    assert len(renderer.requests) == 1
    assert part("core.job").read_job(job.folder / "sky.json") == job


def test_a_killed_bake_is_a_report(job: Any, renderer: Any) -> None:
    renderer.behave("slow")
    bake = part("blender.bake.bake_process").BakeProcess(job)
    with pytest.raises(part("core.errors").SkyGenError, match="by signal 9.*Free some memory"):
        bake.follow(lambda p: os.kill(bake.pid, signal.SIGKILL))
    assert not [name for name in files(job) if name.endswith(".tmp")]


def test_a_bake_ends_with_the_program_that_started_it(job: Any, renderer: Any, tmp_path: Path) -> None:
    """The parent is killed; its end of the pipe closes with it."""
    renderer.behave("slow")
    process = part("blender.bake.bake_process")
    part("runtime.bake.output_folder").prepare_folder(job.folder)
    part("core.job").write_job(job, job.folder / "sky.json")
    command = [*process.bake_command(), "bake", "--job", str(job.folder / "sky.json"), "--bundle"]
    command += [str(process.bundle_folder()), "--progress", "json", "--stop-at-end-of-input"]
    script = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen({command!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(600)"
    )
    environment = process.bake_environment()
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert running(child)
        parent.kill()
    assert wait_until(lambda: not running(child))
    assert len(files(job)) < 5 and not [name for name in files(job) if name.endswith(".tmp")]


def test_python_variables_and_folders_of_others_do_not_reach_the_bake(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("numpy", "json", "onnxruntime", "sitecustomize"):
        (trap / f"{name}.py").write_text("raise SystemExit('trapped')")
    monkeypatch.chdir(trap)
    for name, value in (
        ("PYTHONHOME", str(trap)), ("PYTHONPATH", str(trap)), ("PYTHONSTARTUP", str(trap / "numpy.py")),
        ("PYTHONUSERBASE", str(trap)), ("PYTHONOPTIMIZE", "x"), ("PYTHONIOENCODING", "ascii"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    assert part("blender.bake.bake_process").run_job(job).written == (1, 2, 3, 4)


def test_the_real_command_runs_without_the_double(package: Any, tmp_path: Path) -> None:
    interpreter = part("blender.engine.interpreter")
    result = subprocess.run(
        [*interpreter.bake_command(), "presets"],
        env=interpreter.bake_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0 and "fair_cumulus" in result.stdout, result.stderr


def test_interpreter_is_found_where_blender_is_the_program(
    package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blender's own layout: ``4.5/python/bin/python3.11`` under the prefix, and sys.executable may be Blender."""
    interpreter = part("blender.engine.interpreter")
    blender, python = tmp_path / "blender", tmp_path / "python" / "bin" / f"python{interpreter.VERSION}"
    python.parent.mkdir(parents=True)
    for program in (blender, python):
        program.write_text("")
        program.chmod(0o755)
    for name in ("executable", "_base_executable"):
        monkeypatch.setattr(sys, name, str(blender))
    for name in ("prefix", "exec_prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path / "python"))
    assert interpreter.find_interpreter() == str(python)
    python.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(part("core.errors").SkyGenError, match="No Python .* was found.*Install"):
        interpreter.find_interpreter()


def refuses(world: Any, tmp_path: Path, match: str) -> None:
    world.skygen.frame_end, world.skygen.output_folder = 1, str(tmp_path / "sky")
    with pytest.raises(RuntimeError, match=match):
        bpy.ops.skygen.bake_sequence()
    assert not (tmp_path / "sky").exists()


def test_a_missing_library_is_a_report(
    world: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if no wheel fitted this Blender
    refuses(world, tmp_path, "onnxruntime.* is not installed.*Reinstall")


def test_a_library_that_cannot_be_loaded_is_a_report(
    world: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "onnxruntime.py").write_text("raise ImportError('DLL load failed')")
    process = part("blender.bake.bake_process")
    environment = process.bake_environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(broken), environment["PYTHONPATH"]])
    monkeypatch.setattr(process, "bake_environment", lambda: environment)
    refuses(world, tmp_path, "ONNX Runtime cannot be loaded: DLL load failed.*Install")


def test_a_python_without_numpy_is_a_report(
    world: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "numpy.py").write_text("raise ImportError('wrong version')")
    process = part("blender.bake.bake_process")
    environment = process.bake_environment()
    environment["PYTHONPATH"] = os.pathsep.join([str(broken), environment["PYTHONPATH"]])
    monkeypatch.setattr(process, "bake_environment", lambda: environment)
    refuses(world, tmp_path, "cannot load what it needs.*wrong version.*Reinstall")


def test_a_program_that_does_not_start_is_a_report(
    world: Any, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part("blender.bake.bake_process"), "bake_command", lambda: [str(tmp_path / "no_python")])
    refuses(world, tmp_path, "no_python cannot be started: No such file.*Reinstall")
