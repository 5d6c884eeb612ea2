"""Speed and memory of whole frames over widths, as measured on this machine."""

from __future__ import annotations

import math
import platform
import re
import reprlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.controls import SkyControls
from ...core.errors import RequestError
from ...core.request import SkyRequest
from ...core.timeline import requests_for_frames
from ..bake.bake import Renderer
from ..exr import write_exr
from ..frame.sun_record import DraftRenderer
from .bench_playing import CARRIED_WIDTH, PlayingRate


@dataclass(frozen=True)
class BenchRow:
    """Figures of one width."""

    width: int
    """Panorama width in pixels."""
    first_s: float
    """Seconds of the first frame of this width, caches cold for it."""
    frame_s: float
    """Median seconds of the following frames, each at another moment, file writing excluded."""
    write_s: float
    """Seconds to write one frame as half-float ZIP EXR."""
    peak_mib: float | None
    """Peak memory of the process so far; widths run in rising order. None where the system does not tell."""
    megapixels_per_s: float
    """Pixels over frame_s."""


DRAFT_WIDTH = 256
"""Of the live preview's coarse picture."""


@dataclass(frozen=True)
class DraftTimes:
    """Median seconds of drafts as a live preview asks for them."""

    next_frame_s: float
    """The next frame of a film."""
    sun_s: float
    """The sun turned by a degree."""
    clouds_s: float
    """Other clouds: the cover changed by a hundredth."""


def parse_widths(text: str) -> tuple[int, ...]:
    """Widths of a comma-separated list, each once.

    Raises
    ------
    RequestError
        If the list cannot be read, or no frame can have one of the widths.
    """
    widths: dict[int, None] = {}
    for part in text.split(","):
        if not re.fullmatch(r"\d{1,9}", part.strip()):
            raise RequestError(
                f"The widths {reprlib.repr(text)} cannot be read.", "Give --widths such as 512,1024,2048."
            )
        widths[SkyRequest(width=int(part)).width] = None
    return tuple(widths)


def peak_memory_mib() -> float | None:
    """Peak resident memory of this process in MiB; None on Windows, whose Python has no getrusage."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024) if sys.platform == "darwin" else peak / 1024


def measure(
    renderer: Renderer,
    controls: SkyControls,
    widths: Sequence[int],
    repeat: int = 3,
    show: Callable[[str], None] = lambda line: None,
) -> list[BenchRow]:
    """Render ``repeat + 1`` consecutive frames at each width, widths in rising order; ``show`` gets a line a frame."""
    rows = []
    for width in sorted(widths):
        requests = requests_for_frames(lambda _: controls, range(1, repeat + 2), fps=24.0, seed=1, width=width)
        seconds = []
        for request in requests:
            started = time.perf_counter()
            radiance = renderer.render(request)
            seconds.append(time.perf_counter() - started)
            show(f"SkyGen: {width} wide, frame {len(seconds)} of {repeat + 1}: {seconds[-1]:.1f} s")
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            write_exr(Path(folder) / "frame.exr", radiance)
            write_s = time.perf_counter() - started
        frame_s = statistics.median(seconds[1:])
        megapixels = width * (width // 2) * 1e-6
        rows.append(BenchRow(width, seconds[0], frame_s, write_s, peak_memory_mib(), megapixels / frame_s))
    return rows


def measure_drafts(renderer: Renderer, controls: SkyControls, repeat: int = 8) -> DraftTimes | None:
    """Times of drafts of DRAFT_WIDTH, each the median of ``repeat``; None of a renderer that draws none."""
    if not isinstance(renderer, DraftRenderer):
        return None
    film = requests_for_frames(lambda _: controls, range(1, repeat + 2), fps=24.0, seed=1, width=DRAFT_WIDTH)
    turned = [replace(film[0], sun_azimuth_rad=film[0].sun_azimuth_rad + math.radians(n)) for n in range(repeat + 1)]
    cover = min(film[0].low.cover, 0.9 - 0.01 * repeat)
    clouds = [replace(film[0], low=replace(film[0].low, cover=cover + 0.01 * n)) for n in range(repeat + 1)]
    medians = []
    for requests in (film, turned, clouds):
        seconds = []
        for request in requests:
            started = time.perf_counter()
            renderer.render_draft(request)
            seconds.append(time.perf_counter() - started)
        medians.append(statistics.median(seconds[1:]))
    return DraftTimes(*medians)


def difference(renderer: Renderer, reference: Renderer, controls: SkyControls, width: int) -> float:
    """Mean difference of one frame of two renderers over its mean; infinite where the first one's is not finite."""
    (request,) = requests_for_frames(lambda _: controls, [1], fps=24.0, seed=1, width=width)
    radiance, expected = renderer.render(request), reference.render(request)
    if not np.isfinite(radiance).all():
        return math.inf
    return float(np.abs(radiance.astype(np.float64) - expected).mean() / expected.mean(dtype=np.float64))


def report(
    renderer: Renderer,
    rows: Sequence[BenchRow],
    load_s: float,
    *,
    device: str,
    devices: Sequence[str],
    difference_to_cpu: float,
    drafts: DraftTimes | None = None,
    playing: PlayingRate | None = None,
) -> dict[str, Any]:
    """Plain dictionary for JSON: environment, rows, the device among those here, how far its frames are from the CPU's.

    The difference, see :func:`difference`, is 0 for the CPU itself; a device whose frames are not finite has none.
    """
    return {
        "bundle": {"name": renderer.bundle.name, "identity": renderer.bundle.identity},
        "machine": {
            "platform": platform.platform(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "device": device,
        "devices": list(devices),
        "difference_to_cpu": difference_to_cpu if math.isfinite(difference_to_cpu) else None,
        "load_s": load_s,
        "rows": [asdict(row) for row in rows],
        "drafts": None if drafts is None else {"width": DRAFT_WIDTH, **asdict(drafts)},
        "playing": None if playing is None else {"width": CARRIED_WIDTH, **asdict(playing)},
    }


def table(
    rows: Sequence[BenchRow], load_s: float, drafts: DraftTimes | None = None, playing: PlayingRate | None = None
) -> str:
    """The same as text."""
    lines = [f"graphs loaded in {load_s:.2f} s", " width   first s   frame s   write s   Mpx/s   peak MiB"]
    for row in rows:
        peak = "-" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        lines.append(
            f"{row.width:6d}  {row.first_s:8.3f}  {row.frame_s:8.3f}  {row.write_s:8.3f}"
            f"  {row.megapixels_per_s:6.2f}  {peak:>9s}"
        )
    if drafts is not None:
        lines.append(
            f"live preview, {DRAFT_WIDTH} wide: next frame {drafts.next_frame_s:.2f} s, "
            f"another sun {drafts.sun_s:.2f} s, other clouds {drafts.clouds_s:.2f} s"
        )
    if playing is not None:
        lines.append(
            f"while a film plays, {CARRIED_WIDTH} wide: {playing.pictures_per_s:.1f} pictures a second "
            f"({100 * playing.carried_share:.0f} % carried from others), {playing.late_s:.2f} s late, "
            f"longest wait {playing.longest_gap_s:.2f} s"
        )
    return "\n".join(lines)
