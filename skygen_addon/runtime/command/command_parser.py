"""The options of ``python -m skygen_addon``: which commands there are and what each of them takes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from ...core.errors import RequestError
from ...core.job import JOB_FILE, PICTURE_ENDINGS
from ...core.presets import SHIPPED_PRESETS
from ..bake.progress import PROGRESS_FORMS
from ..devices import CPU
from ..thumbnail import add_thumbnail_options
from .match_options import add_match_options
from .sky_options import DEFAULT_PRESET, add_sky_options

DEFAULT_FRAMES = "1-48"
DEFAULT_WIDTHS = "512,1024,2048,4096,8192"


class _Parser(argparse.ArgumentParser):
    """Reports bad arguments like every other bad request."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def command_parser() -> argparse.ArgumentParser:
    """Parser of all commands; it raises RequestError where arguments make no sense."""
    parser = _Parser(prog="skygen", description="Endless animated HDR skies.", allow_abbrev=False)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="bake | frame | bench | presets | thumbnails | match | serve"
    )

    bake_parser = commands.add_parser("bake", help="write an EXR sequence", allow_abbrev=False)
    bake_parser.add_argument("--frames", help=f"1-48, 5, 1-10x2 or 1,3,7 (default {DEFAULT_FRAMES}, or one loop)")
    bake_parser.add_argument("--out", type=_out, metavar="DIR", help="output folder")
    bake_parser.add_argument("--format", help="auto (default: half while the peak fits), half or float")
    bake_parser.add_argument("--compression", help="zip (default, lossless) or dwaa (lossy, small, half floats only)")
    bake_parser.add_argument(
        "--pictures",
        metavar="|".join(PICTURE_ENDINGS),
        help="also write a tone-mapped 8 bit picture beside each frame (default none, or what the job says)",
    )
    bake_parser.add_argument("--skip-existing", action="store_true", help="keep finished frames of this very sky")
    bake_parser.add_argument("--job", type=Path, metavar="FILE", help=f"run a {JOB_FILE} instead of a preset")
    bake_parser.add_argument("--progress", choices=PROGRESS_FORMS, default="text", help="json: an object a line")

    frame = commands.add_parser("frame", help="write one EXR frame", allow_abbrev=False)
    frame.add_argument("--frame", type=int, default=1, metavar="N", help="frame number (default 1)")
    frame.add_argument("--out", type=_out, required=True, metavar="PATH", help="an .exr file, or a folder")
    frame.add_argument("--format", default="auto", help="auto (default), half or float")
    frame.add_argument("--png", action="store_true", help="also write a tone-mapped PNG beside it")

    bench = commands.add_parser("bench", help="measure speed and memory", allow_abbrev=False)
    bench.add_argument("--preset", default=DEFAULT_PRESET, metavar="NAME", help=f"sky (default {DEFAULT_PRESET})")
    bench.add_argument("--widths", default=DEFAULT_WIDTHS, help=f"comma-separated (default {DEFAULT_WIDTHS})")
    bench.add_argument(
        "--drafts", action="store_true", help="also time the live preview's coarse pictures and play a film to it"
    )
    bench.add_argument("--repeat", type=int, default=3, help="frames timed per width after the first (default 3)")
    bench.add_argument("--out", type=_out, metavar="FILE", help="write the JSON here instead of printing it")

    thumbnails = commands.add_parser("thumbnails", help="draw the presets' pictures", allow_abbrev=False)
    thumbnails.add_argument("--out", type=_out, default=SHIPPED_PRESETS, help="folder (default: beside the presets)")
    add_thumbnail_options(thumbnails)

    match_parser = commands.add_parser("match", help="find a sky like that of an HDR panorama", allow_abbrev=False)
    add_match_options(match_parser)

    serve = commands.add_parser("serve", help="render what standard input asks for", allow_abbrev=False)
    serve.add_argument("--folder", type=_out, required=True, metavar="DIR", help="where pictures are written")

    for parser_of_child in (bake_parser, thumbnails, match_parser):
        parser_of_child.add_argument("--stop-at-end-of-input", action="store_true", help="end when input is closed")
    for sky_parser in (bake_parser, frame):
        add_sky_options(sky_parser)
    for any_parser in (bake_parser, frame, bench, thumbnails, match_parser, serve):
        any_parser.add_argument("--bundle", type=Path, metavar="DIR", help="model folder (default: the shipped one)")
        any_parser.add_argument(
            "--threads",
            type=int,
            metavar="N",
            help="threads (default: one per processor; four make the cloud field, always); the result does not change",
        )
        any_parser.add_argument("--device", default=CPU, help="cpu (default, the reference) or one that bench lists")
    commands.add_parser("presets", help="list the presets", allow_abbrev=False)
    return parser


def _out(text: str) -> Path:
    """An output path as given: an empty one, as an unset variable makes it, is not the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return Path(text)
