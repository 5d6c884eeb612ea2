"""How fast a device makes frames: measured in a process of its own, beside the interface."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import SkyGenError
from ...runtime.devices import device_label
from .child import Child
from .interpreter import bake_command, bake_environment
from .model import bundle_folder

WIDTH = 512
REPEAT = 4
"""Frames measured after the first, which also fills the caches."""
MAX_DIFFERENCE = 0.01
"""Of frames that are right; a device that counts with 16 bits makes other clouds."""


@dataclass(frozen=True)
class DeviceSpeed:
    """What was measured."""

    device: str
    """Name of the device, such as ``cpu``."""
    frames_per_second: float
    """Of frames 512 pixels wide, each at another moment, file writing excluded."""
    devices: tuple[str, ...]
    """All devices that ONNX Runtime offers here."""
    difference: float | None
    """Mean difference of its frame to the CPU's over the mean; None where its frame is not finite."""

    @property
    def is_right(self) -> bool:
        """Whether its frames are those of the CPU but for rounding."""
        return self.difference is not None and self.difference <= MAX_DIFFERENCE

    def in_words(self, beside: Sequence[str] = ()) -> str:
        """One line about it; ``beside`` names what else has used the machine meanwhile."""
        rate = self.frames_per_second
        speed = f"{rate:.1f} frames a second" if rate >= 1.0 else f"{1.0 / rate:.1f} s a frame"
        words = f"{device_label(self.device)}: {speed}, {WIDTH} pixels wide"
        if beside:
            words += f". Measured while {' and '.join(beside)} ran: slower than alone"
        return words


class DeviceTest:
    """One running measurement.

    Raises
    ------
    SkyGenError
        If there is no Python, library or bundle to measure with.
    """

    def __init__(self, device: str, threads: int) -> None:
        self.device = device
        command, environment, bundle = bake_command(), bake_environment(), bundle_folder()
        self._folder = tempfile.TemporaryDirectory(prefix="skygen-test-", ignore_cleanup_errors=True)
        self._report = Path(self._folder.name) / "bench.json"
        command += ["bench", "--widths", str(WIDTH), "--repeat", str(REPEAT), "--device", device]
        command += ["--bundle", str(bundle), "--out", str(self._report)]
        if threads > 0:
            command += ["--threads", str(threads)]
        try:
            self._process = Child(command, environment, answers=False)
        except SkyGenError:
            self._delete_folder()
            raise

    def is_running(self) -> bool:
        """Whether it still measures."""
        return self._process.is_running()

    def result(self) -> DeviceSpeed:
        """Wait for the end; to be called once.

        Raises
        ------
        SkyGenError
            If the device does not work, with what it said.
        """
        code, lines = self._process.wait(), self._process.complaints().splitlines()
        try:
            if code != 0:
                last = lines[-1].removeprefix("skygen: ") if lines else f"it ended with code {code}"
                raise SkyGenError(f"{device_label(self.device)} was not measured: {last}", "Choose another device.")
            data = json.loads(self._report.read_text(encoding="utf-8"))
            return DeviceSpeed(
                device=str(data["device"]),
                frames_per_second=1.0 / float(data["rows"][0]["frame_s"]),
                devices=tuple(data["devices"]),
                difference=data["difference_to_cpu"],
            )
        finally:
            self._delete_folder()

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.complaints()
        self._delete_folder()

    def _delete_folder(self) -> None:
        with contextlib.suppress(OSError):
            self._folder.cleanup()
