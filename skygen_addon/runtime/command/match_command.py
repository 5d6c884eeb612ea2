"""``python -m skygen_addon match FILE``: read a panorama, match it, tell what was found, write preset and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ...core.errors import CaptureError, OutputError, RequestError
from ...core.measuring.panorama import Panorama
from ...core.presets import write_preset
from ..bake.output_folder import check_folder, prepare_folder
from ..match.match import MOST_STEPS, MatchedSky, MatchRenderer, match
from ..match.match_messages import PANORAMA_PICTURE, SKY_PICTURE, MatchFound, MatchStep, found_line, step_line
from ..match.match_report import both_pictures, difference_lines, found_lines, match_preset, side_by_side
from ..panoramas.panorama_file import holds_hdr, read_panorama
from ..preview import write_png

READ_WIDTH = 2048
"""Wider panoramas are averaged while they are read: nothing that is measured is finer."""

_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"RIFF", b"GIF8")


def run_match(arguments: argparse.Namespace, load: Callable[[], object]) -> None:
    """Match ``arguments.file`` and write what was asked for; ``load`` makes the renderer once the file is read.

    Raises
    ------
    SkyGenError
        If the file is no panorama of a sky that can be matched, or nothing can be written where it was asked for.
    """
    if arguments.out is not None and arguments.out.suffix.lower() != ".json":
        raise RequestError(f"--out is {arguments.out}.", "Give the name of a preset file that ends in .json.")
    for path in (arguments.out, arguments.png):
        if path is not None and path.is_dir():
            raise OutputError(f"{path} is a folder.", "Give the name of a file in it.")
        if path is not None:
            check_folder(path.parent)
    if arguments.pictures is not None:
        check_folder(arguments.pictures)
    text = arguments.progress == "text"

    def tell(done: int, doing: str) -> None:
        print(f"{doing} ..." if text else step_line(MatchStep(done, MOST_STEPS, doing)), flush=True)

    tell(0, f"Reading {arguments.file.name}")
    panorama = read_sky(arguments.file)
    renderer = load()
    if not isinstance(renderer, MatchRenderer):
        raise TypeError(f"{type(renderer).__name__} does not draw frames and drafts that tell the sun's light.")
    sky = match(panorama, renderer, anyway=arguments.anyway, on_step=tell)
    _write(sky, arguments)
    if text:
        seed = f"Seed {sky.seed}, which no preset holds: give --seed {sky.seed} with it"
        print(*found_lines(sky), seed, *(f"  but: {line}" for line in difference_lines(sky)), sep="\n", flush=True)
        return
    found = MatchFound(sky.controls, sky.seed, tuple(found_lines(sky)), tuple(difference_lines(sky)))
    print(found_line(found), flush=True)


def read_sky(path: Path) -> Panorama:
    """The panorama of a file.

    Raises
    ------
    CaptureError
        If it is missing, damaged, not 2:1, too small, or a picture without high dynamic range.
    """
    if path.is_dir():
        raise CaptureError(f"{path} is a folder.", "Choose an .hdr or .exr file.")
    if not path.is_file():
        raise CaptureError(f"{path} does not exist.", "Choose an .hdr or .exr file.")
    if not holds_hdr(path):
        with path.open("rb") as stream:
            start = stream.read(4)
        if start.startswith(_PICTURES):
            raise CaptureError(
                f"{path.name} is a picture without high dynamic range: the sun and its light are cut off in it.",
                "Choose the .hdr or .exr file of the same sky.",
            )
        raise CaptureError(f"{path.name} is no HDR picture.", "Choose an .hdr or .exr panorama.")
    return read_panorama(path, READ_WIDTH)


def _write(sky: MatchedSky, arguments: argparse.Namespace) -> None:
    if arguments.out is not None:
        print_path = write_preset(match_preset(sky, arguments.out.stem, arguments.file.name), arguments.out.parent)
        if arguments.progress == "text":
            print(print_path, flush=True)
    if arguments.png is not None:
        prepare_folder(arguments.png.parent)
        write_png(arguments.png, side_by_side(sky))
    if arguments.pictures is not None:
        prepare_folder(arguments.pictures)
        for name, picture in zip((PANORAMA_PICTURE, SKY_PICTURE), both_pictures(sky), strict=True):
            write_png(arguments.pictures / name, picture)
