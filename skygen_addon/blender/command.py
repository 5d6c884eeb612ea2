"""``blender -b file.blend --command skygen bake --frames 1-8``: bake without a window."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn, cast

import bpy

from ..core.errors import OutputError, RequestError, SkyGenError
from ..core.frames import parse_frames
from ..core.job import PICTURE_ENDINGS
from .bake.bake_plan import BakePlan, job_of_plan, plan_of_settings
from .bake.bake_process import run_job
from .bake.render_check import unbaked_in_words
from .bake.sequence import frames_by_width, frames_in_words
from .bake.sequence_state import bake_fingerprint
from .operators.bake_sequence import progress_printer
from .settings.properties import sky_settings
from .world.sky_world import bind_frames
from .world.world_owner import is_own

COMMAND = "skygen"


class _Parser(argparse.ArgumentParser):
    """Reports bad arguments like every other bad request."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"blender -b FILE.blend --command {COMMAND}",
        description="Animated HDR skies of the scene's world.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="bake")
    bake = verbs.add_parser(
        "bake",
        allow_abbrev=False,
        help="bake the sky of the scene's world, show it there and save the .blend",
        description="Bake the sky of the scene's world as its settings say. The world then shows the baked "
        "sequence, and the .blend is saved so that rendering it shows the sky.",
    )
    bake.add_argument("--frames", help="frames such as 1-48 or 5; without it those of the settings")
    bake.add_argument("--width", type=int, help="panorama width in pixels instead of the settings'")
    bake.add_argument("--out", type=Path, metavar="DIR", help="folder of the frames instead of the settings'")
    bake.add_argument(
        "--pictures",
        metavar="|".join(PICTURE_ENDINGS),
        help="tone-mapped 8 bit pictures beside the frames instead of the settings' choice",
    )
    bake.add_argument("--skip-existing", action="store_true", help="keep frames baked from these very settings")
    bake.add_argument("--no-save", action="store_true", help="leave the .blend as it is: write the frames only")
    return parser


def run(arguments: list[str]) -> int:
    """Carry out the command.

    Parameters
    ----------
    arguments : list of str
        What follows ``--command skygen``.

    Returns
    -------
    int
        0 done, 2 the request or the environment is at fault, 1 a defect.
    """
    try:
        _bake(_parser().parse_args(arguments))
    except SystemExit as stop:  # after --help argparse ends the process, which here would be Blender's
        return int(stop.code or 0)
    except SkyGenError as error:
        print(f"skygen: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    except Exception:  # the exit code is the only thing that a farm sees
        traceback.print_exc()
        return 1
    return 0


def _bake(options: argparse.Namespace) -> None:
    context = bpy.context
    scene = context.scene
    if scene is None or scene.world is None:
        raise RequestError("The scene has no world.", "Open a .blend whose scene has a sky.")
    world = scene.world
    frames = parse_frames(options.frames) if options.frames is not None else None
    folder = options.out.absolute() if options.out is not None else None
    plan = plan_of_settings(world, scene, frames=frames, folder=folder, width=options.width)
    whole = _whole_plan(world, scene, plan)
    save = bool(bpy.data.filepath) and not options.no_save
    if save:
        _check_playable(plan)
        _check_savable(world)
    job = job_of_plan(context, world, plan)
    if options.pictures is not None:
        job = dataclasses.replace(job, pictures=options.pictures)
    if run_job(job, on_progress=progress_printer(job), skip_existing=options.skip_existing).cancelled:
        raise SkyGenError("The bake was interrupted.", "Run it again with --skip-existing to keep finished frames.")
    if not save:
        print(f"SkyGen: {len(plan.frames)} frames are in {plan.folder}", flush=True)
        return
    found = frames_by_width(whole.folder, whole.frames)
    shown = whole if set(found) == {plan.width} else plan
    older = sorted(set(shown.frames) - set(plan.frames))
    fps = scene.render.fps / scene.render.fps_base
    known = not older and plan.width == int(sky_settings(world).width)
    bind_frames(world, shown, bake_fingerprint(world, fps) if known else "")
    _save()
    print(f"SkyGen: {len(plan.frames)} frames are in {plan.folder}; {bpy.data.filepath} shows them", flush=True)
    if older:
        print(f"SkyGen: it also shows frames {frames_in_words(older)} of earlier bakes", flush=True)
    others = [f for width, frames in found.items() if width not in (None, plan.width) for f in frames]
    if others:
        print(
            f"SkyGen: it does not show frames {frames_in_words(others)}, which are not {plan.width} pixels wide: "
            "bake them again to see them",
            flush=True,
        )
    gaps = unbaked_in_words(scene)
    if gaps is not None:
        print(f"SkyGen: {gaps}", flush=True)


def _whole_plan(world: bpy.types.World, scene: bpy.types.Scene, baked: BakePlan) -> BakePlan:
    """The settings' whole range if the frames are a part of it (it is shown when it is complete), else the frames."""
    try:
        whole = plan_of_settings(world, scene, folder=baked.folder, width=baked.width)
    except RequestError:  # the range is backwards: the frames of the command line rule
        return baked
    return whole if set(baked.frames) <= set(whole.frames) else baked


def _check_playable(plan: BakePlan) -> None:
    if len(plan.frames) != plan.frames[-1] - plan.frames[0] + 1:
        raise RequestError(
            "The frames have gaps, which an image sequence cannot play.",
            "Give one range such as 1-48, or --no-save to write the frames only.",
        )


def _check_savable(world: bpy.types.World) -> None:
    if not is_own(world):
        raise RequestError(
            f"The world {world.name} is linked or overridden from another file, so it cannot show the frames.",
            "Bake in that file, make the world local, or give --no-save to write the frames only.",
        )
    path = Path(bpy.data.filepath)
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise OutputError(f"{path} cannot be written.", "Make it writable, or give --no-save to write the frames only.")


def _save() -> None:
    try:
        bpy.ops.wm.save_mainfile()
    except RuntimeError as error:
        raise OutputError(
            f"The frames are baked, but {bpy.data.filepath} cannot be saved: {str(error).strip().rstrip('.')}.",
            "Make room or make it writable, then run this again with --skip-existing.",
        ) from error


class CommandRegistration:
    """Holds what Blender hands out for a registered command and wants back to remove it."""

    def __init__(self) -> None:
        self._handle: object | None = None

    def add(self) -> None:
        """Register the command."""
        self._handle = cast(Any, bpy.utils).register_cli_command(COMMAND, run)

    def remove(self) -> None:
        """Remove the command, if it is registered."""
        if self._handle is not None:
            cast(Any, bpy.utils).unregister_cli_command(self._handle)
            self._handle = None


COMMAND_REGISTRATION = CommandRegistration()
