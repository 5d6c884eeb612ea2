"""``python -m trainer train RECIPE``: the stages that the recipe gives time to, one after another, resumable."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from skygen_addon.core.errors import CaptureError, RequestError

from ..recipes import RECIPES, recipe
from .dense_2021 import train_dense
from .field import FieldConfig, train_field
from .field_figures import measure_field
from .field_patches import has_planes, held_out_sites
from .record import record_stage, source_state
from .shade import train_shade
from .weather import train_weather

STAGES = ("weather", "shade", "field", "dense")
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
    torch.set_num_threads(arguments.threads)
    out: Path = arguments.out or Path("runs") / chosen.name
    out.mkdir(parents=True, exist_ok=True)
    whole = sum(share[stage] for stage in stages)
    for stage in stages:
        start, source = time.monotonic(), source_state()
        budget = minutes * share[stage] / whole
        print(f"{stage}: up to {budget:.1f} minutes", flush=True)
        if stage == "weather":
            train_weather(needed[stage], out / stage, budget)
        elif stage == "shade":
            train_shade(needed[stage], out / stage, budget, resume=arguments.resume)
        elif stage == "dense":
            train_dense(data, out / stage, budget, resume=arguments.resume)
        else:
            config = FieldConfig(held_out=held_out_sites(needed[stage], FieldConfig().held_out))
            field = train_field(needed[stage], out / stage, budget, resume=arguments.resume, config=config)
            figures = out / stage / "metrics.json"
            measure_field(field, needed[stage], config.held_out, figures, chosen.cover_windows)
        spent = (time.monotonic() - start) / 60
        record_stage(out, chosen, stage, spent, arguments.resume, data, source)
        print(f"{stage}: done in {spent:.1f} minutes", flush=True)
    print(
        f"Run directory: {out}." + ("" if "dense" in stages else f" Next: python -m trainer export {out} --data {data}")
    )
    return 0
