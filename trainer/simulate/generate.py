"""``python -m trainer simulate``: labelled skies from the reference, resumable."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import lru_cache
from pathlib import Path

import torch

from skygen_addon.core.errors import RequestError
from trainer.networks.shade import CELL

from .reference import TraceOptions
from .simulated_sky import simulate_sky
from .volume_states import VolumeMaker, draw_state

log = logging.getLogger(__name__)

FOLDER = "simulated"
"""Where simulated skies lie inside a data folder."""
DISC = 256
"""Width of the shading disc."""
WINDOW = 256
"""Texels of the field's windows: half of the exported field's, for speed; clouds are the same."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--frames", type=int, default=150, help="skies to have in the folder when done")
    parser.add_argument("--out", type=Path, required=True, help="data folder; skies go to OUT/simulated")
    parser.add_argument("--seed", type=int, default=1, help="series of states")
    parser.add_argument("--disc", type=int, default=DISC, help="width of the sky disc in pixels, a multiple of 16")
    parser.add_argument("--spp", type=int, default=48, help="paths per cell of 4 x 4 disc pixels")
    parser.add_argument("--window", type=int, default=WINDOW, help="texels of the field's windows")
    parser.add_argument("--workers", type=int, default=1, help="processes, one processor core and 1 GB of memory each")
    parser.add_argument("--max-minutes", type=float, default=None, help="stop after this time; run again to go on")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    folder = arguments.out / FOLDER
    done = simulate(
        folder,
        arguments.frames,
        seed=arguments.seed,
        disc=arguments.disc,
        spp=arguments.spp,
        window=arguments.window,
        workers=arguments.workers,
        max_minutes=arguments.max_minutes,
    )
    print(f"{done} of {arguments.frames} skies in {folder}")
    return 0


def shard_path(folder: Path, index: int) -> Path:
    """File of one simulated sky."""
    return folder / f"sky_{index:05d}.npz"


@lru_cache(maxsize=1)
def _maker(window: int) -> VolumeMaker:
    """The field of this process; a worker keeps to one thread, for there is one worker a core."""
    torch.set_num_threads(1)
    return VolumeMaker(window)


def _draw(path: Path, seed: int, index: int, disc: int, spp: int, window: int) -> int:
    """Draw and save sky ``index``; returns its number."""
    options = TraceOptions(paths_per_ray=max(1, spp // (CELL * CELL)))
    simulate_sky(_maker(window), draw_state(seed, index), disc, options).save(path)
    return index


def simulate(
    out: Path,
    frames: int,
    *,
    seed: int = 1,
    disc: int = DISC,
    spp: int = 48,
    window: int = WINDOW,
    workers: int = 1,
    max_minutes: float | None = None,
) -> int:
    """Fill ``out`` with skies 0 to ``frames`` - 1 of series ``seed``; returns how many are there.

    A sky that is already in the folder is kept, so an interrupted run goes on where it stopped. A
    sky does not depend on the other ones, nor on the number of workers.

    Raises
    ------
    RequestError
        If a number makes no sense.
    """
    if frames < 1 or spp < CELL * CELL or disc < 4 * CELL or disc % (4 * CELL) or window % 64 or window < 128:
        raise RequestError(
            f"frames {frames}, disc {disc}, spp {spp} and window {window} do not fit.",
            f"Give frames >= 1, spp >= {CELL**2}, disc a multiple of {4 * CELL}, window a multiple of 64 from 128 on.",
        )
    if not 1 <= workers <= 256:
        raise RequestError(f"{workers} workers make no sense.", "Give about the number of processor cores.")
    out.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(frames) if not shard_path(out, i).is_file()]
    begin, count = time.monotonic(), 0
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running, waiting = set(), iter(missing)
        while True:
            spent = time.monotonic() - begin
            while len(running) < workers and (max_minutes is None or spent <= 60 * max_minutes):
                index = next(waiting, None)
                if index is None:
                    break
                running.add(pool.submit(_draw, shard_path(out, index), seed, index, disc, spp, window))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                count, spent = count + 1, time.monotonic() - begin
                left = spent / count * (len(missing) - count)
                shown = (future.result(), count, len(missing), spent, left / 60)
                log.info("sky %d (%d of %d), %.0f s, about %.1f min left", *shown)
    return sum(shard_path(out, i).is_file() for i in range(frames))
