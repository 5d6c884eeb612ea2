"""Match HDRI: choose a panorama, and the sky is set to look like it. With a window beside the interface."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from ...core.errors import RequestError, SkyGenError
from ...runtime.match.match_messages import MatchFound
from ..engine.redraw import redraw_panels
from ..match.match_process import MatchProcess
from ..match.match_result import note_match, use_match
from ..match.match_state import is_matching, note_doing
from ..settings.world_animation import is_animated
from .outcome import (
    CANCELLED,
    FINISHED,
    active_world,
    cancelled_by,
    poll_editable_world,
    show_changed_sky,
    world_of_session,
)

PASS_THROUGH: set[Any] = {"PASS_THROUGH"}
RUNNING_MODAL: set[Any] = {"RUNNING_MODAL"}
TIMER_S = 0.2


class MatchThread(threading.Thread):
    """Reads what a matching process says, beside the interface; never touches Blender's data."""

    def __init__(self, process: MatchProcess) -> None:
        super().__init__(name="SkyGen match", daemon=True)
        self.process = process
        self.found: MatchFound | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found = self.process.follow()
        except BaseException as error:  # raised again by whoever waits for the thread
            self.error = error


class SKYGEN_OT_match_hdri(bpy.types.Operator):
    """Read sun, clouds, haze, exposure and colors from an HDR panorama and set this world's sky alike; Esc stops it"""

    bl_idname = "skygen.match_hdri"
    bl_label = "Match HDRI"
    bl_options = {"UNDO"}

    filepath: StringProperty(
        name="Panorama",
        description="HDR panorama of a sky, an .hdr or .exr file twice as wide as high",
        default="",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_glob: StringProperty(
        name="Filter", description="Endings that are shown", default="*.hdr;*.exr;*.pic", options={"HIDDEN"}
    )
    anyway: BoolProperty(
        name="Match Hidden Sky",
        description="Match also where trees or buildings hide most of the sky, by what is seen of it",
        default=False,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if is_matching(context):
            cls.poll_message_set("A panorama is being matched: press Esc in the window where it was chosen to cancel")
            return False
        return poll_editable_world(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Let a file be chosen, unless one is named."""
        if self.filepath or context.window_manager is None:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return RUNNING_MODAL

    def execute(self, context: bpy.types.Context) -> set[Any]:
        """Match the file: beside the interface, or at once where there is none."""
        manager, world = context.window_manager, active_world(context)
        self._source = Path(bpy.path.abspath(self.filepath))
        try:
            if not self.filepath or self._source.is_dir():
                raise RequestError("No file was chosen.", "Choose an .hdr or .exr panorama.")
            process = MatchProcess(self._source, anyway=self.anyway)
        except SkyGenError as error:
            return cancelled_by(self, error)
        self._thread, self._world_uid = MatchThread(process), world.session_uid
        if bpy.app.background or manager is None or context.window is None:
            self._thread.run()
            return self._conclude(context, world)
        self._timer = manager.event_timer_add(TIMER_S, window=context.window)
        manager.modal_handler_add(self)
        self._thread.start()
        self._show_progress(context)
        return RUNNING_MODAL

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        """Follow the thread; finish when it has ended."""
        if event.type == "ESC" and event.value == "PRESS":
            self._thread.process.stop()
            return RUNNING_MODAL
        if event.type != "TIMER":
            return PASS_THROUGH
        self._show_progress(context)
        if self._thread.is_alive():
            return PASS_THROUGH
        self._end(context)
        return self._conclude(context, world_of_session(self._world_uid))

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: the file browser was closed, another file is loaded, or the window closes."""
        thread = getattr(self, "_thread", None)
        if thread is not None:
            thread.process.stop()
            self._end(context)

    def _conclude(self, context: bpy.types.Context, world: bpy.types.World | None) -> set[Any]:
        thread = self._thread
        try:
            if isinstance(thread.error, SkyGenError):
                return cancelled_by(self, thread.error)
            if thread.error is not None:
                raise thread.error
            if thread.found is None:
                self.report({"WARNING"}, "Matching was cancelled: the sky stays as it is.")
                return CANCELLED
            if world is None:
                self.report({"WARNING"}, "The panorama was matched, but its world is gone.")
                return CANCELLED
            return self._apply(context, world, thread.found)
        finally:
            thread.process.close()

    def _apply(self, context: bpy.types.Context, world: bpy.types.World, found: MatchFound) -> set[Any]:
        try:
            note_match(world, self._source, found, self._thread.process.pictures)
            use_match(world)
        except SkyGenError as error:
            return cancelled_by(self, error)
        if is_animated(world):
            self.report({"WARNING"}, f"{self._source.name} is matched, but keyframes of this world may override it.")
        else:
            self.report({"INFO"}, f"Matched to {self._source.name}. {found.found[0]}.")
        show_changed_sky(self, context, world, "The sky is matched")
        return FINISHED

    def _show_progress(self, context: bpy.types.Context) -> None:
        process = self._thread.process
        step = process.latest
        words = "Stopping" if process.stopping else "Starting to match" if step is None else step.doing
        if context.workspace is not None:
            context.workspace.status_text_set(f"SkyGen: {words} (Esc cancels)")
        if note_doing(words):
            redraw_panels(context)

    def _end(self, context: bpy.types.Context) -> None:
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        if context.window_manager is not None:
            context.window_manager.event_timer_remove(self._timer)
        note_doing(None)
        redraw_panels(context)
