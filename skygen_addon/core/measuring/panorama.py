"""A panorama to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Panorama:
    """A panorama as it was found, with what had to be mended. Row 0 touches the zenith, as in ``core.geometry``."""

    radiance: NDArray[np.float32]
    """Linear Rec.709 radiance (H, W, 3), W = 2H, finite and non-negative, in the file's scale."""
    flags: tuple[str, ...]
    """What was mended: ``non_finite``, ``negative``, ``single_channel``; how it was made: see ``capture_file``."""
    covered: NDArray[np.bool_] | None = None
    """(H, W) where the capture saw anything; None everywhere. A fisheye still sees no ground."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """How it was read, for the manifest: projection, exposures of a stack and what they could not cover."""
