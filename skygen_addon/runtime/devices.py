"""Devices that ONNX Runtime can run graphs on, as this Python's build of it and this machine have them.

The processor is the reference: frames are bit-equal there, whatever the number of threads. Another device is another
environment, whose frames agree with the reference within a bound only, as those of another processor do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from ..core.errors import RequestError, SkyGenError

CPU = "cpu"
PROVIDERS = {
    CPU: "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""Names of the devices, and what ONNX Runtime calls them. OpenVINO (1.24) is none: it does not read these graphs."""

LABELS = {
    CPU: "CPU",
    "cuda": "CUDA",
    "rocm": "ROCm",
    "migraphx": "MIGraphX",
    "directml": "DirectML",
    "coreml": "CoreML",
}
"""How the devices are written for people to read."""

_CHOSEN: ContextVar[str] = ContextVar("skygen_device", default=CPU)
"""Device of the graphs that are loaded in this context, see :func:`graphs_on`."""

T = TypeVar("T")


def device_label(name: str) -> str:
    """How a device is written for people; a name that is none of :data:`PROVIDERS` stays as it is."""
    return LABELS.get(name, name)


def onnxruntime() -> Any:
    """The onnxruntime module, imported late because its library may fail to load in some hosts.

    Raises
    ------
    SkyGenError
        If it cannot be loaded.
    """
    try:
        import onnxruntime as runtime
    except (ImportError, OSError) as error:
        raise SkyGenError(
            f"ONNX Runtime cannot be loaded: {error}.",
            "Reinstall the SkyGen zip made for this platform, or pip install onnxruntime.",
        ) from error
    return runtime


def available_devices() -> list[str]:
    """Names of the devices that this build of ONNX Runtime offers, the processor first.

    A device that is offered may still lack its driver; loading a graph on it tells.
    """
    offered = set(onnxruntime().get_available_providers())
    return [name for name, provider in PROVIDERS.items() if provider in offered]


def check_device(name: str) -> str:
    """The name, if there is such a device.

    Raises
    ------
    RequestError
        If not.
    """
    offered = available_devices()
    if name not in offered:
        raise RequestError(
            f"There is no device {name!r} for ONNX Runtime here.", f"Use one of {', '.join(offered)}, or install a "
            "build of ONNX Runtime for it.",
        )  # fmt: skip
    return name


def chosen_provider() -> str:
    """What ONNX Runtime calls the device of this context."""
    return PROVIDERS[_CHOSEN.get()]


@contextlib.contextmanager
def graphs_on(device: str) -> Iterator[None]:
    """Context in which graphs are loaded for a device of :data:`PROVIDERS`."""
    token = _CHOSEN.set(device)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def loading_on(device: str, load: Callable[[Path, int | None], T]) -> Callable[[Path, int | None], T]:
    """``load`` with the graphs that it loads on a device, in whichever thread it is called."""

    def loaded(bundle_folder: Path, threads: int | None) -> T:
        with graphs_on(device):
            return load(bundle_folder, threads)

    return loaded


def check_provider(path: Path, session: Any, wanted: str) -> None:
    """Refuse a session that ONNX Runtime has quietly moved to the processor, as it does without a driver.

    Raises
    ------
    SkyGenError
        If it runs elsewhere than wanted.
    """
    if session.get_providers()[0] != wanted:
        raise not_runnable(path, wanted, "its driver or libraries do not load")


def not_runnable(path: Path, provider: str, reason: str) -> SkyGenError:
    """A graph that a device does not run, and what to do."""
    device = next(name for name, known in PROVIDERS.items() if known == provider)
    return SkyGenError(
        f"{path.name} cannot be run on the device {device}: {reason}.",
        "Choose the device cpu, or install what ONNX Runtime needs for it.",
    )
