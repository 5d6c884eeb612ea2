"""What a match tells the program that started it: a JSON object a line, read and written here.

``{"match_step": 2, "of": 6, "doing": "Trying a sky"}`` before each step, then ``{"matched": {...}}``; or, before exit
code 2, the line of :func:`..bake.progress.error_line`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from ...core.controls import SkyControls, controls_from_dict
from ...core.errors import SkyGenError

PANORAMA_PICTURE, SKY_PICTURE = "panorama.png", "sky.png"
"""Files that ``--pictures`` writes."""


@dataclass(frozen=True)
class MatchStep:
    """A step that begins."""

    done: int
    """Steps that are done."""
    of: int
    """Steps at most."""
    doing: str
    """What is done now."""


@dataclass(frozen=True)
class MatchFound:
    """What a match found."""

    controls: SkyControls
    """The sky's controls."""
    seed: int
    """Its seed."""
    found: tuple[str, ...]
    """What was found, a line for each thing."""
    remaining: tuple[str, ...]
    """What could not be matched, a line for each thing."""


def step_line(step: MatchStep) -> str:
    """A step, for a program."""
    return json.dumps({"match_step": step.done, "of": step.of, "doing": step.doing})


def found_line(found: MatchFound) -> str:
    """The result, for a program."""
    return json.dumps({"matched": {**dataclasses.asdict(found), "controls": found.controls.to_dict()}})


def read_match_line(line: str) -> MatchStep | MatchFound | SkyGenError | None:
    """What the functions above or ``error_line`` wrote; None for anything else, such as a library's chatter."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    if data.keys() == {"error", "remedy"}:
        return SkyGenError(str(data["error"]), str(data["remedy"]))
    if data.keys() == {"match_step", "of", "doing"}:
        return MatchStep(int(data["match_step"]), int(data["of"]), str(data["doing"]))
    if data.keys() == {"matched"}:
        values = data["matched"]
        lines = (tuple(str(line) for line in values[name]) for name in ("found", "remaining"))
        return MatchFound(controls_from_dict(values["controls"], "the match"), int(values["seed"]), *lines)
    return None
