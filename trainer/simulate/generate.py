"""``python -m trainer simulate``: labelled skies from the reference and from the marcher, resumable.

``--frames`` path-traced skies teach shading, ``--captures`` and ``--sequences`` are marched
captures (:mod:`.capture_series`), ``--errors`` states how the two differ (:mod:`.formula_error`).
"""

from __future__ import annotations

import argparse
import time
from functools import lru_cache
from pathlib import Path

import torch

from skygen_addon.core.bundle import load_bundle
from skygen_addon.core.errors import RequestError
from skygen_addon.core.whole_file import output_error
from trainer.captures.training_maps import TRAINING_DISC
from trainer.networks.shade import CELL
from trainer.side_by_side import check_workers, draw_side_by_side

from .capture_series import FOLDER as CAPTURES
from .capture_series import STEP_S, CaptureSeries, plan_series, simulate_captures
from .formula_error import write_errors
from .reference import TraceOptions
from .simulated_sky import is_held_out, load_sky, simulate_sky
from .volume_states import VolumeMaker, draw_state

FOLDER = "simulated"
"""Where simulated skies lie inside a data folder."""
FRAMES = 150
"""Skies where no number is given."""
DISC = 256
"""Width of the shading disc."""
SPP, HELD_OUT_SPP = 32, 192
"""Paths per cell. Training averages their noise over skies, but where it is judged noise counts as error."""
SHARP_ORDERS = 24
"""Collisions with the true phase function: with 6, sunlight away from the sun is a tenth off."""
WINDOW = 256
"""Texels of the field's windows: half of the exported field's, for speed; clouds are the same."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--frames", type=int, help=f"path-traced skies in OUT/{FOLDER} when done ({FRAMES})")
    parser.add_argument("--errors", action="store_true", help="state the formula's error on these skies as a table")
    parser.add_argument(
        "--bundle", type=Path, help="with --errors: held-out skies only, without and with this bundle's correction"
    )
    parser.add_argument("--captures", type=int, help=f"marched captures in OUT/{CAPTURES} when done")
    parser.add_argument("--sequences", type=int, help="marched sequences there when done")
    parser.add_argument("--sequence-frames", type=int, default=24, help="frames of a sequence (24)")
    parser.add_argument("--step-s", type=float, default=STEP_S, help=f"sky seconds between its frames ({STEP_S:g})")
    parser.add_argument("--out", type=Path, required=True, help="data folder")
    parser.add_argument("--seed", type=int, default=1, help="series of states")
    parser.add_argument("--disc", type=int, help=f"disc width, a multiple of 16 ({DISC}; of captures {TRAINING_DISC})")
    parser.add_argument("--spp", type=int, default=SPP, help=f"paths per cell of 4 x 4 disc pixels ({SPP})")
    parser.add_argument(
        "--held-out-spp", type=int, default=HELD_OUT_SPP, help=f"the same of held-out skies ({HELD_OUT_SPP})"
    )
    parser.add_argument("--window", type=int, default=WINDOW, help="texels of the field's windows")
    parser.add_argument("--device", default="cpu", help="where captures are marched: cpu, cuda, cuda:N or mps")
    parser.add_argument("--workers", type=int, default=1, help="processes, one processor core and 1 GB of memory each")
    parser.add_argument("--max-minutes", type=float, default=None, help="stop after this time; run again to go on")


def run(arguments: argparse.Namespace) -> int:
    """Run the command: path-traced skies unless only something else is asked for; returns the exit code.

    All options are judged before the first part takes its time, and all parts share ``--max-minutes``.
    """
    begin = time.monotonic()
    folder, workers = arguments.out / FOLDER, arguments.workers
    marched = arguments.captures is not None or arguments.sequences is not None
    traced = arguments.frames is not None or not (marched or arguments.errors)
    frames = FRAMES if arguments.frames is None else arguments.frames
    disc = DISC if arguments.disc is None else arguments.disc
    check_workers(workers, arguments.max_minutes)
    if arguments.bundle is not None and not arguments.errors:
        raise RequestError("--bundle is given without --errors.", "Add --errors, or leave out --bundle.")
    bundle = None if arguments.bundle is None else load_bundle(arguments.bundle)
    if bundle is not None and traced and disc != bundle.disc_size:
        raise RequestError(
            f"{bundle.name} shades discs of {bundle.disc_size} pixels, not {disc}.", f"Give --disc {bundle.disc_size}."
        )
    if traced:
        check_frames(frames, arguments.seed, disc, arguments.spp, arguments.held_out_spp, arguments.window)
    if not marched and arguments.device.partition(":")[0] != "cpu":
        raise RequestError(
            f"The path tracer runs on the CPU, not on {arguments.device}.",
            "Leave out --device, or give --captures or --sequences.",
        )
    series = None
    if marched:
        series = CaptureSeries(
            captures=arguments.captures or 0,
            sequences=arguments.sequences or 0,
            sequence_frames=arguments.sequence_frames,
            step_s=arguments.step_s,
            seed=arguments.seed,
            disc=TRAINING_DISC if arguments.disc is None else arguments.disc,
            window=arguments.window,
            device=arguments.device,
        )
        plan_series(arguments.out / CAPTURES, series)
    if traced:
        done = simulate(
            folder,
            frames,
            seed=arguments.seed,
            disc=disc,
            spp=arguments.spp,
            held_out_spp=arguments.held_out_spp,
            window=arguments.window,
            workers=workers,
            max_minutes=arguments.max_minutes,
        )
        print(f"{done} of {frames} skies in {folder}")
    if series is not None:
        left = arguments.max_minutes
        if left is not None:
            left = max(0.0, left - (time.monotonic() - begin) / 60)
        done, wanted = simulate_captures(arguments.out / CAPTURES, series, workers=workers, max_minutes=left)
        print(f"{done} of {wanted} simulated captures in {arguments.out / CAPTURES}")
    if arguments.errors:
        print(write_errors(folder, bundle), end="")
    return 0


def shard_path(folder: Path, index: int) -> Path:
    """File of one simulated sky."""
    return folder / f"sky_{index:05d}.npz"


@lru_cache(maxsize=1)
def _maker(window: int) -> VolumeMaker:
    """The field of this process; a worker keeps to one thread, for there is one worker a core."""
    torch.set_num_threads(1)
    return VolumeMaker(window)


def _draw(path: Path, seed: int, index: int, disc: int, spp: int, window: int) -> str:
    """Draw and save sky ``index``; returns its name."""
    options = TraceOptions(paths_per_ray=max(1, spp // (CELL * CELL)), sharp_orders=SHARP_ORDERS)
    simulate_sky(_maker(window), draw_state(seed, index), disc, options).save(path)
    return f"sky {index}"


def check_frames(frames: int, seed: int, disc: int, spp: int, held_out_spp: int, window: int) -> None:
    """Raise RequestError unless the numbers of :func:`simulate` make sense."""
    if (
        frames < 1
        or min(spp, held_out_spp) < CELL * CELL
        or disc < 4 * CELL
        or disc % (4 * CELL)
        or window % 64
        or window < 128
    ):
        raise RequestError(
            f"frames {frames}, disc {disc}, spp {spp}, held-out spp {held_out_spp} and window {window} do not fit.",
            f"Give frames >= 1, spp >= {CELL**2}, disc a multiple of {4 * CELL}, window a multiple of 64 from 128 on.",
        )
    if seed < 0:
        raise RequestError(f"The seed is {seed}.", "Give 0 or more.")


def _check_one_disc(folder: Path, disc: int) -> None:
    """Raise RequestError if the folder holds skies on discs of another width."""
    first = min((path for path in folder.glob("sky_*.npz") if path.is_file()), default=None)
    if first is None:
        return
    held = load_sky(first).features.shape[-1]
    if held != disc:
        raise RequestError(
            f"{folder} holds skies on discs of {held} pixels, not {disc}.", f"Give --disc {held} or another --out."
        )


def simulate(
    out: Path,
    frames: int,
    *,
    seed: int = 1,
    disc: int = DISC,
    spp: int = SPP,
    held_out_spp: int = HELD_OUT_SPP,
    window: int = WINDOW,
    workers: int = 1,
    max_minutes: float | None = None,
) -> int:
    """Fill ``out`` with skies 0 to ``frames`` - 1 of series ``seed``; returns how many are there.

    A sky that is already in the folder is kept, so an interrupted run goes on where it stopped. A
    sky does not depend on the other ones, nor on the number of workers. Those that training holds out
    (:func:`.simulated_sky.is_held_out`) are traced with ``held_out_spp`` paths per cell.

    Raises
    ------
    RequestError
        If a number makes no sense, or the folder holds skies of another ``disc``.
    OutputError
        If the folder cannot be written.
    """
    check_frames(frames, seed, disc, spp, held_out_spp, window)
    check_workers(workers, max_minutes)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    missing = [i for i in range(frames) if not shard_path(out, i).is_file()]
    _check_one_disc(out, disc)
    paths = {True: held_out_spp, False: spp}
    tasks = [(shard_path(out, i), seed, i, disc, paths[is_held_out(i)], window) for i in missing]
    draw_side_by_side(_draw, tasks, workers=workers, max_minutes=max_minutes)
    return sum(shard_path(out, i).is_file() for i in range(frames))
