"""What connects the live preview to Blender: the timer, the handlers, and the end of the session.

Without a window only one handler is there, which puts a bound bake back before a render.
"""

from __future__ import annotations

import atexit
import logging
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..engine.running import is_running
from . import live_properties
from .live_bake import uncover_all
from .live_memory import memory_in_words
from .live_pictures import remove_spare_images
from .live_render import finish, lag_in_words
from .live_session import PREVIEW, QUIET_S
from .live_state import LiveState
from .live_waiting import watch_windows

_LOG = logging.getLogger(__name__)
_END_S = 2.0
"""How long the end of the process is waited for where the extension is disabled, perhaps to be updated."""
_AREAS = {"PROPERTIES", "VIEW_3D"}


class _Timer:
    """The function that Blender's timer calls, and what the panels showed last."""

    def __init__(self) -> None:
        self._shown: dict[int, LiveState] = {}
        self._memory = ""
        self._calls = self.call  # Blender knows a timer by its very object, and every look at a method is another
        self._logged = ""

    def call(self) -> float:
        """Let the preview do what there is to do, and draw the panels anew if they have something new to say."""
        manager = bpy.context.window_manager
        windows = list(manager.windows) if manager is not None else []
        try:
            watch_windows(PREVIEW.waits)
            pause_s = PREVIEW.tick(playing=any(window.screen.is_animation_playing for window in windows))
            shown = {w.scene.world.session_uid: PREVIEW.state(w.scene.world) for w in windows if w.scene.world}
            memory = memory_in_words()
        except Exception as error:  # a timer that raises is never called again
            if self._logged != repr(error):
                self._logged = repr(error)
                _LOG.exception("SkyGen: the live preview failed.")
            return 1.0
        areas = _AREAS if shown != self._shown else set[str]()
        areas = areas | ({"PREFERENCES"} if memory != self._memory else set())
        self._shown, self._memory = shown, memory
        for area in (area for window in windows if areas for area in window.screen.areas):
            if area.type in areas:
                area.tag_redraw()
        return pause_s

    def start(self) -> None:
        """Have it called from now on."""
        bpy.app.timers.register(self._calls, first_interval=QUIET_S, persistent=True)

    def stop(self) -> None:
        """Have it called no more."""
        if bpy.app.timers.is_registered(self._calls):
            bpy.app.timers.unregister(self._calls)


_TIMER = _Timer()


@persistent  # type: ignore[untyped-decorator]
def note_update(*_: Any) -> None:
    """Handler of all that may change what is to be seen."""
    PREVIEW.note_change()


@persistent  # type: ignore[untyped-decorator]
def note_undo(*_: Any) -> None:
    """Handler of ``undo_post`` and ``redo_post``."""
    PREVIEW.distrust()


@persistent  # type: ignore[untyped-decorator]
def note_file(*_: Any) -> None:
    """Handler of ``load_post``."""
    PREVIEW.waits.renew()
    PREVIEW.forget()


@persistent  # type: ignore[untyped-decorator]
def put_bakes_back(*_: Any) -> None:
    """Handler of ``save_pre`` and ``object_bake_pre``: files and textures are to show the bakes that are bound."""
    try:
        uncover_all()
    except Exception:  # in a handler there is nobody to raise to, and the file must be saved all the same
        _LOG.exception("SkyGen: a bake could not be put back.")
    PREVIEW.note_change()


@persistent  # type: ignore[untyped-decorator]
def prepare_render(scene: bpy.types.Scene, *_: Any) -> None:
    """Handler of ``render_init``: a render uses the bakes that are bound; in a window it follows its frames."""
    PREVIEW.filmed.clear()
    PREVIEW.waits.renew()
    try:
        uncover_all()
        if bpy.app.background:
            _finish(scene, None)
    except Exception:  # as in put_bakes_back
        _LOG.exception("SkyGen: a bake could not be put back before the render.")
    PREVIEW.note_change()


@persistent  # type: ignore[untyped-decorator]
def forget_rendered(*_: Any) -> None:
    """Handler of a render's end."""
    PREVIEW.filmed.clear()
    PREVIEW.waits.renew()


@persistent  # type: ignore[untyped-decorator]
def tell_of_unheard_esc(*_: Any) -> None:
    """Handler of a render that was not cancelled, before :func:`forget_rendered`."""
    if PREVIEW.waits.given_up:
        _LOG.warning("SkyGen: the render went on without its sky and shows an older or coarser one. Render again.")


@persistent  # type: ignore[untyped-decorator]
def leave_file(*_: Any) -> None:
    """Handler of ``load_pre``: a render that waits would hold up Blender, which waits for its end."""
    PREVIEW.waits.give_up()
    PREVIEW.forget()


@persistent  # type: ignore[untyped-decorator]
def expect_frame(scene: bpy.types.Scene, *_: Any) -> None:
    """Handler of ``render_pre``: the next change of frame is one that is rendered."""
    PREVIEW.filmed.add(scene.session_uid)


@persistent  # type: ignore[untyped-decorator]
def follow_film(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Handler of ``frame_change_post``: a frame that a render or a playblast shows gets its own picture first.

    When a film has ended the frame changes once more, back to where it was: nothing is waited for then.
    """
    try:
        if scene.session_uid in PREVIEW.filmed:
            PREVIEW.filmed.discard(scene.session_uid)
            _finish(scene, depsgraph)
        elif is_running(bpy.context, "RENDER_OT_opengl"):
            _finish(scene, depsgraph, over_bake=True)
    except Exception:  # as in put_bakes_back
        _LOG.exception("SkyGen: the preview could not follow the render.")


def _finish(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None, *, over_bake: bool = False) -> None:
    """Show the picture of a frame that is rendered, keep it as it is, and tell if it is not what it is to be."""
    evaluated = depsgraph if depsgraph is not None else scene.view_layers[0].depsgraph
    if not bpy.app.background:
        finish(PREVIEW, scene, evaluated, over_bake=over_bake)
    PREVIEW.keep_for_render(scene)
    tells = PREVIEW.follows(scene) and not PREVIEW.waits.given_up
    words = lag_in_words(PREVIEW, scene, evaluated) if tells else None
    if words is not None:
        _LOG.warning("SkyGen: %s", words)


def _end() -> None:
    PREVIEW.stop()


_IN_WINDOWS = (
    ("depsgraph_update_post", note_update),
    ("frame_change_post", note_update),
    ("frame_change_post", follow_film),
    ("render_pre", expect_frame),
    ("render_complete", tell_of_unheard_esc),
    ("render_complete", forget_rendered),
    ("render_cancel", forget_rendered),
    ("render_complete", note_update),
    ("render_cancel", note_update),
    ("undo_post", note_undo),
    ("redo_post", note_undo),
    ("load_pre", leave_file),
    ("load_post", note_file),
    ("save_pre", put_bakes_back),
    ("object_bake_pre", put_bakes_back),
    ("object_bake_complete", note_update),
    ("object_bake_cancel", note_update),
)


def register() -> None:
    """Add choices, handlers and timer."""
    live_properties.register()
    bpy.app.handlers.render_init.append(prepare_render)
    if not bpy.app.background:
        for name, handler in _IN_WINDOWS:
            getattr(bpy.app.handlers, name).append(handler)
        atexit.register(_end)
        _TIMER.start()


def unregister() -> None:
    """End the process and remove everything."""
    PREVIEW.waits.give_up()
    _TIMER.stop()
    atexit.unregister(_end)
    PREVIEW.stop(_END_S)
    for name, handler in (("render_init", prepare_render), *_IN_WINDOWS):
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
    uncover_all()
    remove_spare_images()
    PREVIEW.forget()
    live_properties.unregister()
