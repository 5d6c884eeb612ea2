"""One sitting of a training that may be stopped and gone on with: its time, its log, its plots and its progress."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from skygen_addon.core.whole_file import whole_file

from .checkpoint import diverged
from .ranks import ALONE, Ranks

LOG = logging.getLogger(__name__)
METRICS = "metrics.jsonl"
LOSSES = "losses.png"
_PROGRESS_S = 20.0
"""Seconds between lines of progress."""


class Sitting:
    """A context around the steps of one sitting.

    Parameters
    ----------
    folder : Path
        Receives config.json, metrics.jsonl with a line every ``log_every`` steps, the same for TensorBoard, losses.png.
    name : str
        What is trained.
    config : dataclass
        Its settings.
    step, steps : int
        Steps done before, and at most in all.
    max_minutes : float
        Minutes of this sitting at most.
    seconds : float
        Seconds of the sittings before.
    ranks : Ranks
        The processes that train together; only the first one writes.
    log_every : int
        Steps between lines of metrics.jsonl.
    save_minutes : float
        Minutes between checkpoints.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        config: Any,
        *,
        step: int,
        steps: int,
        max_minutes: float,
        seconds: float = 0.0,
        ranks: Ranks = ALONE,
        log_every: int = 10,
        save_minutes: float = 2.0,
    ) -> None:
        assert is_dataclass(config) and not isinstance(config, type)
        self._folder, self._name, self._config = folder, name, asdict(config)
        self._first, self._steps, self._ranks = step, steps, ranks
        self._limit_s, self._before_s = 60 * max_minutes, seconds
        self._log_every, self._save_s = log_every, 60 * save_minutes
        self._began = self._saved = self._spoke = time.monotonic()
        self._log: IO[str] | None = None
        self._board: Any = None
        self._latest: dict[str, float] = {}
        """Figures as they were last: not every step has all of them."""

    def __enter__(self) -> Sitting:
        if self._ranks.is_first:
            self._folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self._folder / "config.json") as partial:
                partial.write_text(json.dumps(self._config, indent=2), encoding="utf-8")
            metrics = self._folder / METRICS
            keep_rows(metrics, self._first)
            self._log = metrics.open("a", encoding="utf-8")
            self._board = _board(self._folder / "tensorboard", self._first)
        self._began = self._saved = self._spoke = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for sink in (self._log, self._board):
            if sink is not None:
                sink.close()
        if self._ranks.is_first and kind is None:
            drawn(LOSSES, lambda: plot_losses(self._folder / METRICS, self._folder / LOSSES, self._name))

    @property
    def seconds(self) -> float:
        """Seconds of training in all sittings."""
        return self._before_s + time.monotonic() - self._began

    def goes_on(self, step: int) -> bool:
        """Whether there are steps and time left; all processes get the same answer."""
        return step < self._steps and self._ranks.agree(time.monotonic() - self._began < self._limit_s)

    def note(self, step: int, figures: dict[str, float]) -> None:
        """Log the figures of a finished step, and say now and then how far it is.

        Raises
        ------
        SkyGenError
            If one of them is no number.
        """
        if not all(math.isfinite(value) for value in figures.values()):
            raise diverged(self._name, step, str(figures), self._folder)
        self._latest |= figures
        if self._log is not None and step % self._log_every == 0:
            row = {"step": step, "seconds": round(self.seconds, 1), **self._latest}
            self._log.write(json.dumps(row) + "\n")
            self._log.flush()
            for name, value in self._latest.items() if self._board is not None else ():
                self._board.add_scalar(f"{self._name}/{name}", value, step)
        now = time.monotonic()
        if self._ranks.is_first and now - self._spoke >= _PROGRESS_S:
            self._spoke = now
            pace = (now - self._began) / max(step - self._first, 1)
            left_s = min(self._limit_s - (now - self._began), pace * (self._steps - step))
            words = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
            LOG.info("%s: step %d of %d, %.1f minutes left: %s", self._name, step, self._steps, left_s / 60, words)

    def is_time_to_save(self) -> bool:
        """Whether a checkpoint is due; asking starts the wait for the next one."""
        if not self._ranks.is_first or time.monotonic() - self._saved < self._save_s:
            return False
        self._saved = time.monotonic()
        return True


def keep_rows(metrics: Path, step: int) -> None:
    """Drop the lines of metrics.jsonl after a step: a killed run wrote them after its last checkpoint."""
    lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.is_file() and step else []
    whole = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
    with whole_file(metrics) as partial:
        partial.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")


def _board(folder: Path, step: int) -> Any:
    """TensorBoard's writer; None where it is not installed, which is said."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        LOG.info("TensorBoard is not installed: figures are in %s only.", METRICS)
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def drawn(what: str, draw: Callable[[], object]) -> None:
    """Draw a picture where the libraries for it are installed; training itself needs torch and numpy only."""
    try:
        draw()
    except ModuleNotFoundError as error:
        LOG.info("%s is not drawn: %s is not installed.", what, error.name)


def plot_losses(metrics: Path, path: Path, title: str) -> None:
    """PNG of all figures in metrics.jsonl over steps, a panel each; nothing where there are no lines yet."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ("step", "seconds")))
    if not names:
        return
    columns = min(len(names), 4)
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.4 * lines), layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, place + 1)
        told = [row for row in rows if name in row]
        axes.plot([row["step"] for row in told], [row[name] for row in told], linewidth=0.8)
        axes.set(title=name)
    figure.suptitle(f"{title}, over steps")
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=100, format="png")
