"""What the panel says about the live preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import SkyGenError

_SPAN_S = 3.0
"""Pictures that are farther apart than this are no stream."""
_PAUSE_S = 1.0
"""Nor is one any more that has not brought a picture for so long."""


@dataclass(frozen=True)
class LiveState:
    """One line of the panel."""

    text: str
    """What there is to know, and what to do about it; empty if nothing."""
    icon: str = "NONE"
    """Blender icon."""
    is_busy: bool = False
    """Whether the process works."""


NOTHING = LiveState("")


def failed(error: SkyGenError) -> LiveState:
    """No picture can be made."""
    return LiveState(f"{error.message} {error.remedy}", "ERROR")


def bake_is_shown() -> LiveState:
    """A baked picture covers the frame."""
    return LiveState("The baked sky is shown", "RENDER_RESULT")


def starting() -> LiveState:
    """The process loads its graphs."""
    return LiveState("Starting the renderer", "SORTTIME", is_busy=True)


def rendering(arrivals: Sequence[float], now: float) -> LiveState:
    """A picture is on its way; ``arrivals`` tells when the last ones came, by the clock of ``now``."""
    recent = [moment for moment in arrivals if arrivals[-1] - moment <= _SPAN_S] if arrivals else []
    if len(recent) > 2 and now - recent[-1] <= _PAUSE_S:
        rate = (len(recent) - 1) / max(recent[-1] - recent[0], 1e-3)
        return LiveState(f"Rendering, {rate:.1f} pictures/s", "RENDER_STILL", is_busy=True)
    return LiveState("Rendering", "RENDER_STILL", is_busy=True)


def render_waits() -> LiveState:
    """A picture is on its way, and a render does not go on without it."""
    return LiveState("A render waits for this sky; Esc cancels it", "RENDER_STILL", is_busy=True)


def up_to_date(width: int, seconds: float, *, covered: bool) -> LiveState:
    """The sky is as the settings say."""
    text = f"Up to date, {width} wide" + (f", rendered in {seconds:.1f} s" if seconds >= 0.05 else "")
    return LiveState(f"{text}; renders use the bake" if covered else text, "CHECKMARK")
