"""``python -m trainer train RECIPE``: the stages that the recipe gives time to, one after another, resumable."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from skygen_addon.core.errors import CaptureError, RequestError

from ..recipes import RECIPES, Recipe, recipe
from .dense_2021 import train_dense
from .field import FieldConfig, train_field
from .field_figures import measure_field
from .field_patches import has_planes, held_out_sites
from .ranks import Ranks, joined_ranks
from .record import hardware, record_stage, source_state
from .shade import ShadeConfig, train_shade
from .weather import train_weather

STAGES = ("weather", "shade", "field", "dense")
SHARED = ("shade", "field")
"""Stages whose batches the processes of torchrun share; the first one trains the others alone."""
DEVICES = ("cpu", "cuda", "mps")
_SOURCES = {
    "weather": "Put days into CAPTURES/timelapse/DAY and run 'python -m trainer ingest CAPTURES --out {data}'.",
    "shade": "Run 'python -m trainer simulate --out {data}'.",
    "field": "Run 'python -m trainer ingest CAPTURES --out {data}' with HDR panoramas.",
    "dense": "Run 'python -m trainer ingest CAPTURES --out {data}' with HDR panoramas.",
}
"""Where the data of each stage comes from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command-line options of ``train``."""
    parser.add_argument("recipe", choices=sorted(RECIPES), help="named settings of the training")
    parser.add_argument("--data", type=Path, default=Path("data/captures"), help="folder of ingest and simulate")
    parser.add_argument("--out", type=Path, help="run directory (default: runs/RECIPE)")
    parser.add_argument("--max-minutes", type=float, help="minutes for all stages together")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in the run directory")
    parser.add_argument("--only", choices=STAGES, action="append", help="train only this stage; may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of one stage")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where field, shade and dense train")


def run(arguments: argparse.Namespace) -> int:
    """Train the stages of a recipe.

    Raises
    ------
    CaptureError
        If the data folder lacks what a stage reads.
    RequestError
        If the recipe gives no time to a stage that was asked for.
    """
    chosen = recipe(arguments.recipe)
    minutes = arguments.max_minutes or chosen.minutes
    data: Path = arguments.data
    share = dict(
        zip(STAGES, (chosen.weather_share, chosen.shade_share, chosen.field_share, chosen.dense_share), strict=True)
    )
    stages = arguments.only or [stage for stage in STAGES if share[stage] > 0]
    for stage in stages:
        if share[stage] == 0:
            raise RequestError(f"The recipe {chosen.name} has no stage {stage}.", "Choose another recipe or stage.")
    needed = {"weather": data / "timelapse.npz", "shade": data / "simulated", "field": data}
    needed["dense"] = data / "manifest.jsonl"
    there = {name: has_planes(data) if name == "field" else path.exists() for name, path in needed.items()}
    for stage in stages:
        if not there[stage]:
            others = " ".join(f"--only {name}" for name in stages if there[name])
            missing = data / "planes-*.npz" if stage == "field" else needed[stage]
            raise CaptureError(
                f"{missing} is missing, which {stage} learns from.",
                f"{_SOURCES[stage].format(data=data)}{f' Or leave it out: {others}.' if others else ''}",
            )
    device = _device(arguments.device)
    torch.set_num_threads(arguments.threads)
    out: Path = arguments.out or Path("runs") / chosen.name
    whole = sum(share[stage] for stage in stages)
    with joined_ranks() as ranks:
        for stage in stages:
            budget = minutes * share[stage] / whole
            if ranks.is_first:
                out.mkdir(parents=True, exist_ok=True)
                print(f"{stage}: up to {budget:.1f} minutes", flush=True)
            if ranks.is_first or stage in SHARED:
                start, source = time.monotonic(), source_state()
                _train(stage, chosen, needed[stage], out, budget, arguments.resume, device, ranks)
                spent = (time.monotonic() - start) / 60
            if ranks.is_first:
                trained_on = hardware("cpu" if stage == "weather" else device, ranks.count if stage in SHARED else 1)
                record_stage(out, chosen, stage, spent, arguments.resume, data, source, trained_on)
                print(f"{stage}: done in {spent:.1f} minutes", flush=True)
            ranks.wait()
        if ranks.is_first:
            more = "" if "dense" in stages else f" Next: python -m trainer export {out} --data {data}"
            print(f"Run directory: {out}.{more}")
    return 0


def _device(name: str) -> str:
    """The device, if torch can use it."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        others = ", ".join(device for device in DEVICES if there[device])
        raise RequestError(f"torch finds no {name} on this machine.", f"Choose --device out of: {others}.")
    return name


def _train(
    stage: str, chosen: Recipe, source: Path, out: Path, minutes: float, resume: bool, device: str, ranks: Ranks
) -> None:
    """Train one stage, and measure what came out."""
    if stage == "weather":
        train_weather(source, out / stage, minutes, resume=resume)
    elif stage == "shade":
        shade = ShadeConfig(steps=chosen.shade_steps)
        train_shade(source, out / stage, minutes, resume, shade, device, ranks)
    elif stage == "dense":
        train_dense(source.parent, out / stage, minutes, resume=resume, device=device)
    else:
        config = FieldConfig(held_out=held_out_sites(source, FieldConfig().held_out))
        field = train_field(source, out / stage, minutes, resume, config, device, ranks)
        if ranks.is_first:
            measure_field(field, source, config.held_out, out / stage / "metrics.json", chosen.cover_windows)
