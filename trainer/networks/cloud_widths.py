"""How wide clouds are about a place: over several spans, from the share of each texel that is cloud.

What lies beyond a level's window is seen on the next wider one, so that a place looks the same wherever the window
lies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skygen_addon.core.signatures import WINDOW_FACTOR

from .field_octaves import crop

SPANS = 6
"""Widths over which a cloud is measured: about 60, 120, 240, 480, 960 and 1920 m at texture scale 1."""
COARSEST_POOL = 32
"""Texels of the finest level by which a map is pooled at most before it is blurred."""
LEAST_SHARE = 0.25
"""Share of its surroundings that a crown needs: a tower with clefts is still as wide as it is."""
RIM_SPAN = 2
"""Span, from the narrowest, over which towers rise from their rims."""


def soften(maps: Tensor, times: int) -> Tensor:
    """Blur one channel by the kernel (1, 2, 1) / 4 in both directions, several times; the rim repeats, size stays."""
    row = torch.tensor([0.25, 0.5, 0.25], device=maps.device)
    kernel = (row[:, None] * row[None, :])[None, None]
    for _ in range(times):
        maps = nn.functional.conv2d(nn.functional.pad(maps, (1, 1, 1, 1), mode="replicate"), kernel)
    return maps


def spread_over(maps: Tensor, pool: int) -> Tensor:
    """Maps (B, 1, S, S) blurred over a deviation of 1.2 ``pool`` texels; S a multiple of ``pool``."""
    return _magnified(soften(nn.functional.avg_pool2d(maps, pool), 3), pool)


def _among(pooled: Tensor, wider: Tensor | None, pool: int, margin: int) -> tuple[Tensor, int]:
    """A map (B, 1, n, n) of pooled texels with a margin from the next wider level, and how wide that is.

    Without it a blur would take the rim for what lies beyond, and a place would look otherwise from each window.
    ``wider`` are maps (B, 1, S, S) on that level's texels, or None on the widest. The margin is as wide as asked for or
    a little more, or as the wider window allows.
    """
    if wider is None:
        return pooled, 0
    side, even = pooled.shape[-1], max(2 * WINDOW_FACTOR // pool, 1)  # both windows keep their common centre
    margin = min(-(-margin // even) * even, (wider.shape[-1] * WINDOW_FACTOR // pool - side) // 2 // even * even)
    around = crop(wider, (side + 2 * margin) * pool // WINDOW_FACTOR)
    if pool > WINDOW_FACTOR:
        around = nn.functional.avg_pool2d(around, pool // WINDOW_FACTOR)
    elif pool < WINDOW_FACTOR:
        around = nn.functional.interpolate(around, scale_factor=float(WINDOW_FACTOR // pool), mode="nearest")
    left, right = around[..., margin:-margin, :margin], around[..., margin:-margin, -margin:]
    rows = torch.cat([left, pooled, right], -1)
    return torch.cat([around[..., :margin, :], rows, around[..., -margin:, :]], -2), margin


def inner_width(filled: Tensor, level: int, wider: Tensor | None = None) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """How far a place lies inside its cloud, 0 at the rim to 1 well inside, over each of the spans; crowns and rim.

    A straight rim at distance d gives erf(d / (span sqrt 2)); what is narrower than a span gives 0 there.
    A crown is the same spread out again over about the span, so that it is as wide as what holds it.

    Parameters
    ----------
    filled : Tensor, shape (B, 1, S, S)
        Share of each texel that is cloud, 0 to 1; S a multiple of 32 on the finest level.
    level : int
        0 for texels of 25 m, 1 for 100 m, 2 for 400 m.
    wider : Tensor, shape (B, 1, S, S), optional
        The same of the next wider level, for what lies around; without it the rim counts on.

    Returns
    -------
    widths, crowns : list of Tensor, shape (B, 1, S, S)
        By span, narrowest first.
    rim : Tensor, shape (B, 1, S, S)
        From 0 to 1 over the span RIM_SPAN.
    """
    widths, crowns, rim = [], [], filled
    for span in range(SPANS):
        wide = 2 ** (span + 1)
        pool = min(wide, COARSEST_POOL) // WINDOW_FACTOR**level
        pooled = nn.functional.avg_pool2d(filled, pool) if pool > 1 else filled
        times, margin = max(wide // COARSEST_POOL, 1), 0
        if pool:
            pooled, margin = _among(pooled, wider, pool, 3 * times**2 + times + 1)
        inner = pooled.shape[-1] - 2 * margin
        blurred = soften(pooled, 3 * times**2) if pool else pooled
        width = torch.relu(2 * blurred - 1)
        crown = torch.relu((blurred - LEAST_SHARE) * (1 / (1 - LEAST_SHARE)))
        if span == RIM_SPAN:
            rim = _magnified(crop(crown, inner), pool)
        for _ in range(times if pool else 0):
            crown = nn.functional.max_pool2d(crown, 3, stride=1, padding=1)
        widths.append(_magnified(crop(width, inner), pool))
        crowns.append(_magnified(crop(soften(crown, 1), inner), pool))
    return widths, crowns, rim


def _magnified(maps: Tensor, pool: int) -> Tensor:
    """Maps of pooled texels on the texels."""
    if pool <= 1:
        return maps
    return nn.functional.interpolate(maps, scale_factor=float(pool), mode="bilinear", align_corners=False)
