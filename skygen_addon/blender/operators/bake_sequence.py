"""Bake: write the sequence and show it. With a window in the background, from scripts at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty

from ...core.errors import SkyGenError
from ...core.job import SkyJob
from ..bake_plan import BakePlan, job_of_plan, plan_of_settings
from ..engine import run_job
from ..properties import sky_settings
from ..sequence_state import is_baking, settings_fingerprint
from ..sky_world import bind_frames
from .outcome import CANCELLED, FINISHED, active_world, cancelled_by, poll_editable_world

if TYPE_CHECKING:
    from ...runtime.bake import Progress

PASS_THROUGH: set[Any] = {"PASS_THROUGH"}
RUNNING_MODAL: set[Any] = {"RUNNING_MODAL"}
TIMER_S = 0.25


class BakeThread(threading.Thread):
    """Runs one job beside the interface; never touches Blender's data."""

    def __init__(self, job: SkyJob, skip_existing: bool) -> None:
        super().__init__(name="SkyGen bake", daemon=True)
        self.job = job
        self.skip_existing = skip_existing
        self.stop = threading.Event()
        self.done = 0
        self.cancelled = False
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            result = run_job(
                self.job,
                on_progress=self._count,
                skip_existing=self.skip_existing,
                should_cancel=self.stop.is_set,
            )
            self.cancelled = result.cancelled
        except BaseException as error:  # raised again by whoever waits for the thread
            self.error = error

    def _count(self, progress: Progress) -> None:
        self.done = progress.done


class SKYGEN_OT_bake_sequence(bpy.types.Operator):
    """Bake the sky of every frame into the output folder and show it in this world (Esc cancels)"""

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
            cls.poll_message_set("A bake is running: press Esc to cancel it")
            return False
        return poll_editable_world(cls, context)

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Bake at once and return when it is done."""
        world = active_world(context)
        try:
            plan, job, fingerprint = self._prepare(context, world)
            run_job(job, on_progress=print_progress, skip_existing=self.skip_existing)
            bind_frames(world, plan, fingerprint)
        except SkyGenError as error:
            return cancelled_by(self, error)
        return FINISHED

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Bake beside the interface."""
        manager, world = context.window_manager, active_world(context)
        if bpy.app.background or manager is None or context.window is None:
            return self.execute(context)
        try:
            self._plan, job, self._fingerprint = self._prepare(context, world)
        except SkyGenError as error:
            return cancelled_by(self, error)
        settings = sky_settings(world)
        settings.bake_done, settings.bake_total = 0, len(job.frames)
        self._world_name = world.name
        self._thread = BakeThread(job, self.skip_existing)
        self._timer = manager.event_timer_add(TIMER_S, window=context.window)
        manager.modal_handler_add(self)
        self._thread.start()
        return RUNNING_MODAL

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Follow the thread; finish when it has ended."""
        if event.type == "ESC" and event.value == "PRESS":
            self._thread.stop.set()
            return RUNNING_MODAL
        if event.type != "TIMER":
            return PASS_THROUGH
        world = bpy.data.worlds.get(self._world_name)
        if world is not None:
            self._show_progress(context, world)
        if self._thread.is_alive():
            return PASS_THROUGH
        self._end(context)
        return self._conclude(world)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because another file is loaded or the window closes."""
        self._thread.stop.set()
        self._end(context)

    def _prepare(self, context: bpy.types.Context, world: bpy.types.World) -> tuple[BakePlan, SkyJob, str]:
        plan = plan_of_settings(world)
        job = job_of_plan(context, world, plan)
        render = context.scene.render if context.scene is not None else None
        return plan, job, settings_fingerprint(world, render.fps / render.fps_base if render is not None else 24.0)

    def _conclude(self, world: bpy.types.World | None) -> set[Any]:
        thread = self._thread
        if isinstance(thread.error, SkyGenError):
            return cancelled_by(self, thread.error)
        if thread.error is not None:
            raise thread.error
        if thread.cancelled:
            self.report({"WARNING"}, f"Bake cancelled: {thread.done} of {len(thread.job.frames)} frames are kept.")
            return CANCELLED
        if world is None:
            self.report({"WARNING"}, f"{self._plan.folder} is baked, but the world {self._world_name} is gone.")
            return CANCELLED
        try:
            bind_frames(world, self._plan, self._fingerprint)
        except SkyGenError as error:
            return cancelled_by(self, error)
        bpy.ops.ed.undo_push(message="Bake Sky")
        self.report({"INFO"}, f"Baked {thread.done} frames into {self._plan.folder}")
        return FINISHED

    def _show_progress(self, context: bpy.types.Context, world: bpy.types.World) -> None:
        settings, done, total = sky_settings(world), self._thread.done, len(self._thread.job.frames)
        if settings.bake_done != done:
            settings.bake_done = done
            for area in context.window.screen.areas if context.window is not None else ():
                if area.type in {"PROPERTIES", "VIEW_3D"}:
                    area.tag_redraw()
        ending = "stopping after this frame" if self._thread.stop.is_set() else "Esc cancels"
        if context.workspace is not None:
            context.workspace.status_text_set(f"SkyGen: baked {done} of {total} frames ({ending})")

    def _end(self, context: bpy.types.Context) -> None:
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        if context.window_manager is not None:
            context.window_manager.event_timer_remove(self._timer)


def print_progress(progress: Progress) -> None:
    """One line per frame for whoever watches a bake without a window."""
    verb = "kept" if progress.skipped else "baked"
    left = progress.seconds_left
    remaining = f", {left:.0f} s left" if left else ""
    print(f"SkyGen: {verb} {progress.path.name} ({progress.done}/{progress.total}{remaining})", flush=True)
