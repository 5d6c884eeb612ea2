"""Checkpoints of a training: written whole, never with a weight that is no number, gone on from only if they fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from skygen_addon.core.errors import BundleError, SkyGenError
from skygen_addon.core.whole_file import whole_file


def diverged(name: str, step: int, what: str, folder: Path) -> SkyGenError:
    """The error of a training whose numbers are no numbers any more."""
    return SkyGenError(
        f"Step {step} of {name} gave {what}.",
        f"The last good checkpoint, if one was written, is in {folder}; go on from it with a lower learning rate.",
    )


def _floats(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        if state.is_floating_point():
            yield state
    elif isinstance(state, dict):
        for value in state.values():
            yield from _floats(value)


def write_checkpoint(path: Path, name: str, state: dict[str, Any]) -> None:
    """Write the state of a training.

    Parameters
    ----------
    path : Path
        Replaced as a whole.
    name : str
        What is trained, for the message.
    state : dict
        ``step``, ``config``, and state dictionaries of networks and optimisers.

    Raises
    ------
    SkyGenError
        If a weight is no number; the older checkpoint stays.
    """
    if not all(bool(torch.isfinite(values).all()) for values in _floats(state)):
        raise diverged(name, int(state["step"]), "a weight that is no number", path.parent)
    with whole_file(path) as partial:
        torch.save(state, partial)


def read_checkpoint(path: Path, config: dict[str, Any], habits: tuple[str, ...] = ("steps",)) -> dict[str, Any] | None:
    """The state to go on from, or None where there is none yet.

    Parameters
    ----------
    path : Path
        Written by :func:`write_checkpoint`.
    config : dict
        Settings of this run.
    habits : tuple of str
        Settings that may differ: how long a run is and what it writes meanwhile.

    Raises
    ------
    BundleError
        If the checkpoint is damaged or was trained with other settings.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        theirs = dict(state["config"])
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise BundleError(f"{path} cannot be read: {error}.", "Leave out --resume to start anew.") from error
    ours = {**config, **{name: theirs.get(name) for name in habits if name in config}}
    other = sorted(name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))
    if other:
        raise BundleError(
            f"{path} was trained with other settings: {', '.join(other)}.",
            "Choose another --out, or leave out --resume to start anew.",
        )
    return state
