"""Which sites training never sees. A site is one sky: all its captures stay on one side of the split."""

from __future__ import annotations

import hashlib

HELD_OUT_SITES = ("wasteland_clouds", "immenstadter_horn", "aristea_wreck")
"""Sites on which every bundle so far has been measured; they stay held out whatever else is there."""

HELD_OUT_OF_8 = 1
"""Eighths of all other sites that are held out."""


def split_of(site: str) -> str:
    """``train`` or ``held_out``, by the site's name alone, so that further captures never move one."""
    if site in HELD_OUT_SITES:
        return "held_out"
    return "held_out" if hashlib.sha256(site.encode()).digest()[0] % 8 < HELD_OUT_OF_8 else "train"
