"""The options of ``python -m skygen_addon match``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..bake.progress import PROGRESS_FORMS


def add_match_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    parser.add_argument("file", type=Path, metavar="FILE", help="panorama of a sky, .hdr or .exr, 2:1")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the matched sky as a preset, ending in .json")
    parser.add_argument("--png", type=Path, metavar="FILE", help="write a picture of panorama and matched sky")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write a picture of each there")
    parser.add_argument("--anyway", action="store_true", help="match a sky that is mostly hidden by what is seen of it")
    parser.add_argument("--progress", choices=PROGRESS_FORMS, default="text", help="json: an object a line")
