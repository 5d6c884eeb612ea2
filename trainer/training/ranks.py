"""The processes that train together under ``torchrun``: each takes its share of every batch.

All processes draw the whole batch from the same seed and keep their share of it; gradients and figures are averaged.
With equal shares that gives the numbers of one process, whatever their count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from skygen_addon.core.errors import RequestError

_PATIENCE = timedelta(hours=6)
"""How long a process waits for another one: the first one may train a stage alone."""


@dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together."""

    rank: int = 0
    """Number of this process."""
    count: int = 1
    """How many there are."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def check_batch(self, batch: int) -> None:
        """Raise RequestError if a batch cannot be shared equally."""
        if batch % self.count:
            raise RequestError(
                f"A batch of {batch} cannot be shared by {self.count} processes.",
                f"Give torchrun a --nproc-per-node that divides {batch}.",
            )

    def share(self, values: Tensor) -> Tensor:
        """This process's part of a batch, along the first axis."""
        size = len(values) // self.count
        return values[self.rank * size : (self.rank + 1) * size]

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over the processes, without gradient."""
        if self.count == 1:
            return value.detach()
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.count

    def square_of_mean(self, values: Tensor) -> Tensor:
        """Square of the mean of values over the whole batch, whose gradient is right once it is averaged."""
        mean = values.mean()
        whole = self.mean(mean)
        return 2 * whole * mean - whole.square() if self.count > 1 else mean.square()

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace gradients by their means over the processes."""
        gradients = [p.grad for p in parameters if p.grad is not None] if self.count > 1 else []
        if not gradients:
            return
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean_figures(self, figures: dict[str, float]) -> dict[str, float]:
        """Figures averaged over the processes."""
        if self.count == 1:
            return figures
        values = self.mean(torch.tensor(list(figures.values()), dtype=torch.float64))
        return dict(zip(figures, values.tolist(), strict=True))

    def agree(self, decision: bool) -> bool:
        """The first process's decision."""
        if self.count == 1:
            return decision
        told = torch.tensor([float(decision)])
        distributed.broadcast(told, 0)
        return bool(told.item())

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Ranks()
"""One process."""


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """The processes that ``torchrun`` started with this one, connected by gloo; this one alone without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
