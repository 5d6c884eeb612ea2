"""Trains field and shading network for a few steps, alone or as one of the processes that torchrun starts."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from trainer.training.field import FieldConfig, train_field
from trainer.training.ranks import joined_ranks
from trainer.training.shade import ShadeConfig, train_shade

if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:3])
    torch.set_num_threads(1)
    with joined_ranks() as ranks:
        # At four times these rates rounding grows within four steps beyond what the test allows.
        rates = {"generator_rate": 5e-5, "critic_rate": 7.5e-5}
        field = FieldConfig(steps=4, batch=4, held_out=("c",), log_every=1, **rates)
        train_field(data, out / "field", 5, config=field, ranks=ranks)
        train_shade(data / "simulated", out / "shade", 5, config=ShadeConfig(steps=30), ranks=ranks)
