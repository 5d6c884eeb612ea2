"""What a frame renderer keeps from frame to frame: the lit scene, the layers' light, and the field's clouds."""

from __future__ import annotations

from typing import Any

from ..clouds.cloud_field import CloudField
from ..clouds.layers import LayerLight
from ..kept import Kept
from .scene import Scene


class FrameMemory:
    """Values that frames share; they can be let go at any time between frames.

    Parameters
    ----------
    field : CloudField
        Keeps clouds and noise by itself.
    """

    def __init__(self, field: CloudField) -> None:
        self._field = field
        self.scene: Kept[Scene] = Kept()
        """What the last frame was composed from."""
        self._layers: dict[tuple[int, bool], Kept[LayerLight | None]] = {}

    def layer(self, index: int, draft: bool) -> Kept[LayerLight | None]:
        """The light of a layer (0 low, 1 high), of frames or of drafts."""
        return self._layers.setdefault((index, draft), Kept())

    def kept(self) -> list[Any]:
        """Scene, light and clouds, but no noise."""
        return [self.scene, *self._layers.values(), *self._field.kept()]

    def kept_noise(self) -> list[Any]:
        """Noise that the clouds were made from."""
        return self._field.kept_noise()

    def forget(self, *, noise_only: bool = False) -> None:
        """Let all of it go, or the noise alone."""
        self._field.forget(noise_only=noise_only)
        if not noise_only:
            self.scene.forget()
            self._layers.clear()
