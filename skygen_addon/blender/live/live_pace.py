"""How often the live preview may change a sky, so that a viewport which draws a new one slowly still answers.

From the tick in which a picture is shown to the next one Blender draws it. A fast graphics card needs some milliseconds
for a new sky; software, or a heavy scene, may need a second. Then as much time again is left to the interface.
"""

from __future__ import annotations

USUAL_S = 0.25
"""Time between two ticks that is nothing to care about: the timer's own pause, and drawing a frame of a film."""
LONGEST_REST_S = 2.0
"""A viewport that was busy for longer, perhaps with something else, still gets a new picture after this time."""


class LivePace:
    """Measures how long pictures take to be drawn, by the times of ticks."""

    def __init__(self) -> None:
        self.ticked_at = 0.0
        """When the last tick began."""
        self._shown_at: float | None = None
        self._rests_until = 0.0

    def note_shown(self, now: float) -> None:
        """A picture was shown in the present tick."""
        self._shown_at = now

    def note_tick(self, now: float) -> None:
        """A tick begins."""
        self.ticked_at = now
        if self._shown_at is not None:
            drawn_s = now - self._shown_at - USUAL_S
            self._rests_until = now + min(max(drawn_s, 0.0), LONGEST_REST_S)
            self._shown_at = None

    def rests(self, now: float) -> bool:
        """Whether no further picture is to be asked for yet while the sky keeps changing."""
        return now < self._rests_until
