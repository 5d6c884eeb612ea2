"""What becomes of the live preview's process: started when it is needed, again once if it dies, anew as is chosen."""

from __future__ import annotations

import logging

import bpy

from ...core.errors import SkyGenError
from .live_process import LiveProcess, engine_choice

_LOG = logging.getLogger(__name__)


class LiveEngine:
    """The process, and why there is none."""

    def __init__(self) -> None:
        self.process: LiveProcess | None = None
        self.is_ready = False
        """Whether the process has loaded its graphs."""
        self.failure: SkyGenError | None = None
        """Why no picture can be made."""
        self.deaths = 0
        """How often it has ended by itself since it made a picture last."""
        self._chosen: tuple[str, ...] | None = None
        """What the preferences chose when they were looked at last; empty where they made no sense."""

    def start(self) -> LiveProcess:
        """The process, started if there is none.

        Raises
        ------
        SkyGenError
            If there is nothing to render with.
        """
        if self.process is None:
            self.process, self.is_ready = LiveProcess(bpy.app.tempdir or None), False
            self._chosen = self.process.engine
        return self.process

    def stop(self, wait_s: float = 0.0) -> None:
        """End the process, and wait so long for its end."""
        process, self.process, self.is_ready = self.process, None, False
        if process is not None and wait_s > 0.0:
            process.end(wait_s)
        elif process is not None:
            process.stop()

    def forgive(self) -> None:
        """Whatever has failed is tried again."""
        self.failure, self.deaths = None, 0

    def mourn(self, error: SkyGenError) -> None:
        """The process has ended by itself: it is started again once."""
        if self.failure is None and self.deaths:
            self.failure = error
        self.deaths += 1
        _LOG.warning("SkyGen: %s", error)

    def is_chosen_anew(self) -> bool:
        """Whether another model, device or number of threads has been chosen since the last look.

        A choice that makes no sense is a failure until it is mended. Before the first start nothing is looked at.
        """
        if self._chosen is None and self.failure is None:
            return False
        before = self._chosen
        try:
            self._chosen = engine_choice()
        except SkyGenError as error:
            self.failure, self._chosen = error, ()
            return False
        return before is not None and before != self._chosen
