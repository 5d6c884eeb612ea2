"""Devices: which there are, that a graph runs on the one asked for or not at all, and what the command line says."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skygen_addon.core.errors import RequestError, SkyGenError
from skygen_addon.core.signatures import COMPOSE
from skygen_addon.runtime import devices
from skygen_addon.runtime.command.commands import main
from skygen_addon.runtime.graphs import GRAPH_FOLDER, Graph


def offering(monkeypatch: pytest.MonkeyPatch, *providers: str, moves_to: str | None = None) -> list[Any]:
    """An ONNX Runtime with these providers, whose sessions run on ``moves_to``; returns what they were asked for."""
    asked: list[Any] = []
    real = devices.onnxruntime()

    class Session:
        def __init__(self, path: str, options: Any, providers: list[str]) -> None:
            asked.append(providers)
            self._session = real.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return [moves_to or asked[-1][0], "CPUExecutionProvider"]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

    stand_in = SimpleNamespace(
        get_available_providers=lambda: list(providers),
        InferenceSession=Session,
        SessionOptions=real.SessionOptions,
    )
    monkeypatch.setattr(devices, "onnxruntime", lambda: stand_in)
    monkeypatch.setattr("skygen_addon.runtime.graphs.onnxruntime", lambda: stand_in)
    return asked


def test_the_processor_is_always_there_and_cloud_services_are_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.available_devices()[0] == "cpu"
    offering(monkeypatch, "AzureExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")
    assert devices.available_devices() == ["cpu", "coreml"]
    assert devices.check_device("coreml") == "coreml"
    with pytest.raises(RequestError, match="no device 'cuda' .* cpu, coreml"):
        devices.check_device("cuda")


def test_graphs_are_loaded_on_the_device_of_their_context_in_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = offering(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")

    def load(folder: Path, threads: int | None) -> Graph:
        return Graph(folder / "compose.onnx", COMPOSE)

    on_cuda = devices.loading_on("cuda", load)
    thread = threading.Thread(target=on_cuda, args=(GRAPH_FOLDER, None))
    thread.start()
    thread.join()
    load(GRAPH_FOLDER, None)
    assert asked == [["CUDAExecutionProvider"], ["CPUExecutionProvider"]]


def test_a_device_without_its_driver_is_told_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime itself goes on with the processor then, and only logs it."""
    offering(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider", moves_to="CPUExecutionProvider")
    with devices.graphs_on("cuda"), pytest.raises(SkyGenError, match="device cuda: its driver"):
        Graph(GRAPH_FOLDER / "compose.onnx", COMPOSE)
    Graph(GRAPH_FOLDER / "compose.onnx", COMPOSE)


def test_the_command_line_refuses_an_unknown_device_before_it_writes(
    tmp_path: Path, bundle_folder: Path, load: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bundle", str(bundle_folder), "--device", "quantum", "--out", str(tmp_path / "o")]
    assert main(["bake", "--frames", "1", "--width", "64", *words], load) == 2
    assert "no device 'quantum'" in capsys.readouterr().err and not (tmp_path / "o").exists()
    assert main(["bench", "--widths", "64", *words], load) == 2


def test_bench_tells_the_device_among_those_that_are_here(
    tmp_path: Path, bundle_folder: Path, load: Callable[..., Any]
) -> None:
    words = ["--widths", "64", "--repeat", "1", "--bundle", str(bundle_folder), "--out", str(tmp_path / "bench.json")]
    assert main(["bench", *words], load) == 0
    report = json.loads((tmp_path / "bench.json").read_text())
    assert report["device"] == "cpu" and report["devices"] == devices.available_devices()
    assert report["difference_to_cpu"] == 0.0


@pytest.mark.parametrize("factor, expected", [(1.5, 0.5), (math.nan, None)])
def test_bench_tells_how_far_a_device_is_from_the_processor(
    tmp_path: Path,
    bundle_folder: Path,
    load: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    factor: float,
    expected: float | None,
) -> None:
    offering(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")

    def on_device(folder: Path, threads: int | None) -> Any:
        renderer = load(folder, threads)
        if devices.chosen_provider() == "CPUExecutionProvider":
            return renderer
        return SimpleNamespace(bundle=renderer.bundle, render=lambda r: renderer.render(r) * np.float32(factor))

    out = tmp_path / "bench.json"
    words = ["--widths", "64", "--repeat", "1", "--bundle", str(bundle_folder), "--out", str(out), "--device", "cuda"]
    monkeypatch.setattr("skygen_addon.runtime.command.bench.write_exr", lambda *_: None)  # refuses what is not finite
    assert main(["bench", *words], on_device) == 0
    found = json.loads(out.read_text())["difference_to_cpu"]
    assert found is None if expected is None else found == pytest.approx(expected, rel=1e-6)


def test_every_device_has_a_name_for_people() -> None:
    assert devices.LABELS.keys() == devices.PROVIDERS.keys()
    assert devices.device_label("cpu") == "CPU" and devices.device_label("quantum") == "quantum"
