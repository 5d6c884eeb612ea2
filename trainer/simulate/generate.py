"""``python -m trainer simulate``: labelled skies from the reference, resumable."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

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
        max_minutes=arguments.max_minutes,
    )
    print(f"{done} of {arguments.frames} skies in {folder}")
    return 0


def shard_path(folder: Path, index: int) -> Path:
    """File of one simulated sky."""
    return folder / f"sky_{index:05d}.npz"


def simulate(
    out: Path,
    frames: int,
    *,
    seed: int = 1,
    disc: int = DISC,
    spp: int = 48,
    window: int = WINDOW,
    max_minutes: float | None = None,
) -> int:
    """Fill ``out`` with skies 0 to ``frames`` - 1 of series ``seed``; returns how many are there.

    A sky that is already in the folder is kept, so an interrupted run goes on where it stopped.

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
    out.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(frames) if not shard_path(out, i).is_file()]
    options = TraceOptions(paths_per_ray=max(1, spp // (CELL * CELL)))
    maker = VolumeMaker(window)
    begin = time.monotonic()
    for count, index in enumerate(missing):
        spent = time.monotonic() - begin
        if max_minutes is not None and spent > 60 * max_minutes:
            break
        simulate_sky(maker, draw_state(seed, index), disc, options).save(shard_path(out, index))
        spent = time.monotonic() - begin
        left = spent / (count + 1) * (len(missing) - count - 1)
        log.info("sky %d (%d of %d), %.0f s, about %.1f min left", index, count + 1, len(missing), spent, left / 60)
    return sum(shard_path(out, i).is_file() for i in range(frames))
