"""What the operators and the command share: a world's preview, its bound sequence."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import bpy

from ...core.errors import RequestError
from ...core.job import request_digest
from ...runtime.frame.sun_record import read_sunlight
from ..bake.bake_plan import BakePlan, job_of_plan
from ..bake.bake_process import run_job
from ..bake.sequence import check_complete, check_one_width, load_panorama, load_sequence
from ..bake.sequence_state import forget_bake, note_bake
from ..sun.sun_sync import note_preview, note_sequence
from .sequence_clock import animation_frame
from .world_nodes import SequenceSpan, show_image

PREVIEW_WIDTH = 512
"""Width of the one-frame sky that is shown before anything is baked: the first click must not be a wait."""


def show_preview(context: bpy.types.Context, world: bpy.types.World) -> None:
    """Make one small frame of the sky at the current frame and show it in the world.

    The image is packed into the .blend, so a preview needs no folder and survives saving.

    Raises
    ------
    SkyGenError
        If the frame cannot be made; the world is then as it was.
    """
    if context.scene is None:
        raise RequestError("There is no scene.", "Open a scene that uses this world.")
    frame = animation_frame(context.scene)
    with tempfile.TemporaryDirectory(prefix="skygen_", dir=bpy.app.tempdir or None) as folder:
        plan = BakePlan(frames=(frame,), folder=Path(folder), width=PREVIEW_WIDTH, cyclic=False)
        job = dataclasses.replace(job_of_plan(context, world, plan), pixel_format="auto")
        run_job(job)
        image = load_panorama(job.path(frame), f"SkyGen Preview {world.name}")
        image.pack()
        digest = request_digest(job.requests[0], job.bundle_identity, job.engine)
        sun = read_sunlight(job.folder).get((frame, digest))
    show_image(world, image, None)
    forget_bake(world)
    note_preview(world, frame, sun)


def bind_frames(world: bpy.types.World, plan: BakePlan, fingerprint: str) -> None:
    """Show the baked frames of ``plan`` in the world as an image sequence.

    Raises
    ------
    OutputError
        If a file between the first and the last frame is missing, or they are of several widths.
    """
    span = range(plan.frames[0], plan.frames[-1] + 1)
    check_complete(plan.folder, span)
    check_one_width(plan.folder, span)
    image = load_sequence(plan.folder, span.start)
    show_image(world, image, SequenceSpan(span.start, len(span), plan.cyclic))
    note_bake(world, plan, fingerprint)
    note_sequence(world, plan.folder, span)
