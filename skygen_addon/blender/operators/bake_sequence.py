"""Bake: write the sequence and show it. With a window beside the interface, from scripts at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty

from ...core.errors import SkyGenError
from ...core.job import SkyJob
from ...runtime.bake.progress import FrameDone, minutes
from ..bake.bake_marker import BakeMarker, clear_marker, write_marker
from ..bake.bake_pause import is_paused, set_paused
from ..bake.bake_plan import BakePlan, job_of_plan, plan_of_settings
from ..bake.bake_process import BakeProcess, run_job
from ..bake.bake_progress import BakeProgress, note_progress, progress_of
from ..bake.render_check import unbaked_in_words
from ..bake.sequence_state import bake_fingerprint, is_baking
from ..engine.redraw import redraw_panels
from ..settings.properties import sky_settings
from ..world.sky_world import bind_frames
from .outcome import CANCELLED, FINISHED, active_world, cancelled_by, poll_editable_world, world_of_session

PASS_THROUGH: set[Any] = {"PASS_THROUGH"}
RUNNING_MODAL: set[Any] = {"RUNNING_MODAL"}
TIMER_S = 0.25


class BakeThread(threading.Thread):
    """Reads what a baking process says, beside the interface; never touches Blender's data."""

    def __init__(self, process: BakeProcess, fingerprint: str) -> None:
        super().__init__(name="SkyGen bake", daemon=True)
        self.process = process
        self._fingerprint = fingerprint
        self.cancelled = False
        self.error: BaseException | None = None

    @property
    def done(self) -> int:
        """Frames finished so far."""
        latest = self.process.latest
        return latest.done if latest is not None else 0

    def run(self) -> None:
        try:
            self.cancelled = self.process.follow(marking(self.process.job, self._fingerprint)).cancelled
        except BaseException as error:  # raised again by whoever waits for the thread
            self.error = error


class SKYGEN_OT_bake_sequence(bpy.types.Operator):
    """Bake every frame's sky and show it in this world; Esc or closing Blender stops it, finished frames stay"""

    bl_idname = "skygen.bake_sequence"
    bl_label = "Bake Sky"
    bl_options = {"REGISTER"}

    skip_existing: BoolProperty(
        name="Skip Finished Frames",
        description="Keep frames that are already baked from these very settings",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if is_baking(context):
            cls.poll_message_set("A bake is running: press Esc in the window where it was started to cancel it")
            return False
        return poll_editable_world(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Bake at once and return when it is done."""
        world = active_world(context)
        try:
            plan, job, fingerprint = self._prepare(context, world)
            watch = marking(job, fingerprint, progress_printer(job))
            if run_job(job, on_progress=watch, skip_existing=self.skip_existing).cancelled:
                self.report({"WARNING"}, "Bake cancelled: finished frames are kept.")
                return CANCELLED
            bind_frames(world, plan, fingerprint)
        except SkyGenError as error:
            return cancelled_by(self, error)
        self._report_baked(context, world, plan)
        return FINISHED

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Bake beside the interface."""
        manager, world = context.window_manager, active_world(context)
        if bpy.app.background or manager is None or context.window is None:
            return self.execute(context)
        try:
            self._plan, job, self._fingerprint = self._prepare(context, world)
            self._thread = BakeThread(BakeProcess(job, skip_existing=self.skip_existing), self._fingerprint)
        except SkyGenError as error:
            return cancelled_by(self, error)
        note_progress(BakeProgress(world.session_uid, 0, len(job.frames), None))
        set_paused(False)
        self._world_uid, self._world_name = world.session_uid, world.name
        self._timer = manager.event_timer_add(TIMER_S, window=context.window)
        manager.modal_handler_add(self)
        self._thread.start()
        return RUNNING_MODAL

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Follow the thread; finish when it has ended."""
        if event.type == "ESC" and event.value == "PRESS":
            self._thread.process.stop()
            return RUNNING_MODAL
        if event.type != "TIMER":
            return PASS_THROUGH
        self._thread.process.pause(is_paused())
        world = world_of_session(self._world_uid)
        if world is not None:
            self._show_progress(context, world)
        if self._thread.is_alive():
            return PASS_THROUGH
        self._end(context)
        if world is not None:
            _note_speed(world, self._thread.process)
        return self._conclude(context, world)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because another file is loaded or the window closes."""
        self._thread.process.stop()
        self._end(context)

    def _prepare(self, context: bpy.types.Context, world: bpy.types.World) -> tuple[BakePlan, SkyJob, str]:
        plan = plan_of_settings(world, context.scene)
        job = job_of_plan(context, world, plan)
        render = context.scene.render if context.scene is not None else None
        return plan, job, bake_fingerprint(world, render.fps / render.fps_base if render is not None else 24.0)

    def _conclude(self, context: bpy.types.Context, world: bpy.types.World | None) -> set[Any]:
        thread = self._thread
        if isinstance(thread.error, SkyGenError):
            return cancelled_by(self, thread.error)
        if thread.error is not None:
            raise thread.error
        if thread.cancelled:
            self.report(
                {"WARNING"}, f"Bake cancelled: {thread.done} of {len(thread.process.job.frames)} frames are kept."
            )
            return CANCELLED
        if world is None:
            self.report({"WARNING"}, f"{self._plan.folder} is baked, but the world {self._world_name} is gone.")
            return CANCELLED
        try:
            bind_frames(world, self._plan, self._fingerprint)
        except SkyGenError as error:
            return cancelled_by(self, error)
        bpy.ops.ed.undo_push(message="Bake Sky")
        self._report_baked(context, world, self._plan)
        return FINISHED

    def _report_baked(self, context: bpy.types.Context, world: bpy.types.World, plan: BakePlan) -> None:
        scene = context.scene
        gaps = unbaked_in_words(scene, film_only=True) if scene is not None and scene.world == world else None
        text = f"Baked {len(plan.frames)} frames into {plan.folder}."
        self.report({"INFO"} if gaps is None else {"WARNING"}, text if gaps is None else f"{text} {gaps}")

    def _show_progress(self, context: bpy.types.Context, world: bpy.types.World) -> None:
        process, done, total = self._thread.process, self._thread.done, len(self._thread.process.job.frames)
        shown = progress_of(world)
        if shown is None or shown.done != done:
            left = process.latest.seconds_left if process.latest is not None else None
            note_progress(BakeProgress(self._world_uid, done, total, left))
            redraw_panels(context)
        if context.workspace is not None:
            context.workspace.status_text_set(f"SkyGen: {self._words(process)}")

    @staticmethod
    def _words(process: BakeProcess) -> str:
        latest, total = process.latest, len(process.job.frames)
        if process.stopping:
            return "stopping"
        if latest is None:
            return f"{'paused, ' if process.paused else 'starting '}to bake {total} frames (Esc cancels)"
        text = f"baked {latest.done} of {total} frames"
        if latest.seconds_left is not None:
            text += f", {latest.frames_per_second:.2f} frames/s, {minutes(latest.seconds_left)} left"
        if process.paused:
            text += ", paused"
        return f"{text} (Esc cancels)"

    def _end(self, context: bpy.types.Context) -> None:
        note_progress(None)
        set_paused(False)
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        if context.window_manager is not None:
            context.window_manager.event_timer_remove(self._timer)


def _note_speed(world: bpy.types.World, process: BakeProcess) -> None:
    """Keep how long a frame took, for the estimate of the next bake; nothing where none was rendered."""
    latest = process.latest
    if latest is not None and latest.frames_per_second > 0:
        settings = sky_settings(world)
        settings.measured_seconds = 1.0 / latest.frames_per_second
        settings.measured_width = process.job.requests[0].width


def marking(
    job: SkyJob, fingerprint: str, then: Callable[[FrameDone], None] | None = None
) -> Callable[[FrameDone], None]:
    """Marks the folder from the first frame to the last, so that a bake that stops on the way is told of later."""

    def mark(progress: FrameDone) -> None:
        if progress.done == progress.total:
            clear_marker(job.folder)
        elif progress.done == 1:
            write_marker(job.folder, BakeMarker(fingerprint, job.frames[0], job.frames[-1]))
        if then is not None:
            then(progress)

    return mark


def progress_printer(job: SkyJob) -> Callable[[FrameDone], None]:
    """Prints one line per frame for whoever watches a bake without a window."""

    def print_progress(progress: FrameDone) -> None:
        verb = "kept" if progress.skipped else "baked"
        left = f", {minutes(progress.seconds_left)} left" if progress.seconds_left else ""
        print(f"SkyGen: {verb} {job.path(progress.frame).name} ({progress.done}/{progress.total}{left})", flush=True)

    return print_progress
