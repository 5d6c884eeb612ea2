"""The live preview: follows the worlds that windows show, asks for their pictures and shows them when they come.

:meth:`LivePreview.tick` is called by a timer, some times a second, and never waits. A look at the settings tells what
a world is to show; if that is another sky than the one asked for last, a coarse picture is asked for at once, and the
full one when nothing has changed for a moment. So it does not matter what has changed the sky: a slider, a keyframe,
the frame, undo, or another file. Instead of a coarse picture one may come whose clouds are carried from other moments.
"""

from __future__ import annotations

import threading
import time

import bpy

from ...core.errors import SkyGenError
from ...runtime.serve.serve_protocol import Ask, Picture, Ready
from ..world.sequence_clock import animation_frame
from ..world.world_nodes import environment_node
from . import live_views
from .live_bake import bound_sequence, is_covered
from .live_engine import LiveEngine
from .live_pace import LivePace
from .live_pictures import fill_image
from .live_process import Arrived, Ended, LiveProcess
from .live_properties import live_settings
from .live_show import is_rendering, push_undo, show_picture
from .live_state import NOTHING, LiveState, bake_is_shown, failed, render_waits, rendering, starting, up_to_date
from .live_views import Asked, Shown, View, bake_of, digest, followed_scenes, look, may_show, world_of
from .live_waiting import RenderWaits

AT_ONCE_WIDTH = 1024
"""Widest picture that is shown in the tick in which it comes; wider ones are shown in the next, to keep ticks short."""
IDLE_S = 0.35
"""Time without a change after which the full picture is asked for."""
BUSY_S, QUIET_S = 0.04, 0.1
"""Time between two ticks, while pictures are on their way and otherwise."""
LOOK_S = 1.0
"""Time after which the settings are looked at although nothing has told of a change."""
RESTING_S = 240.0
"""Time without a request after which the process is ended, to give back its memory."""


class LivePreview:
    """Live previews of all worlds, by one process that is started when it is needed first."""

    def __init__(self) -> None:
        self.engine = LiveEngine()
        self._number = 0
        self._views: dict[int, View] = {}
        self._asked: dict[int, Asked] = {}
        self._changed, self._asked_at = True, 0.0
        self.looked_at = 0.0
        """When the settings were looked at last, by the clock of :meth:`tick`."""
        self._kept: set[int] = set()
        self._filled: dict[bool, int] = {}
        self._waiting: tuple[Picture, Asked, int] | None = None
        self._pace = LivePace()
        self.trusting = True
        """Whether images show what their digests say."""
        self.work = threading.RLock()
        """Held by whoever asks for pictures and takes them: the timer's call, or a render that waits for its own."""
        self.waits = RenderWaits()
        self.filmed: set[int] = set()
        """``session_uid`` of the scenes of which an animation renders the next frame."""

    @property
    def process(self) -> LiveProcess | None:
        """The process that renders, if there is one."""
        return self.engine.process

    def note_change(self) -> None:
        """Something may have changed: look at the settings with the next tick."""
        self._changed = True

    def choose_anew(self) -> None:
        """The artist has made another choice for the live preview: whatever has failed is tried again."""
        self.engine.forgive()
        self._changed = True
        for view in self._views.values():
            view.fault = view.error = view.asked = None

    def distrust(self) -> None:
        """Undo or redo: pictures may be others than their images say, and who has asked may have taken it back."""
        self.trusting, self._changed, self._waiting = False, True, None
        for view in self._views.values():
            view.shown = view.asked = None
            view.wished = None if view.wished_over else view.wished  # no bake is let go after an undo

    def forget(self) -> None:
        """Another file: worlds, wishes and requests are gone; the process may serve the new ones."""
        self._views.clear()
        self._asked.clear()
        self._kept.clear()
        self._filled.clear()
        self._waiting, self._pace = None, LivePace()
        self.trusting, self._changed = True, True

    def keep_for_render(self, scene: bpy.types.Scene) -> None:
        """A scene is rendered: what it shows must not be refilled, because Persistent Data keeps it loaded."""
        node = environment_node(scene.world) if scene.world is not None else None
        self._kept = {node.image.session_uid} if node is not None and node.image is not None else set()

    def follows(self, scene: bpy.types.Scene) -> bool:
        """Whether the scene's world is one that live pictures have been wanted for."""
        return scene.world is not None and scene.world.session_uid in self._views

    def stop(self, wait_s: float = 0.0) -> None:
        """End the process, and wait so long for its end."""
        self.engine.stop(wait_s)
        self._asked.clear()
        for view in self._views.values():
            view.asked = None

    def wish(self, world: bpy.types.World, scene: bpy.types.Scene) -> None:
        """Show a world's sky anew as soon as possible, whatever the choices are.

        Raises
        ------
        SkyGenError
            If there is nothing to render with.
        """
        self.choose_anew()
        self.engine.start()
        view = self.view(world)
        view.wished, view.wished_over = scene.session_uid, bake_of(world)
        view.shown, view.changed_at = None, 0.0

    def tick(self, now: float | None = None, *, playing: bool = False) -> float:
        """Take what has come, ask for what is missing; returns the seconds until the next tick.

        Parameters
        ----------
        now : float, optional
            Time in seconds, by default of a clock that only runs forward.
        playing : bool
            Whether the animation plays, so that full pictures would come too late.
        """
        now = time.monotonic() if now is None else now
        if not is_rendering() and self.work.acquire(blocking=False):
            try:
                self._pace.note_tick(now)
                self.take(now)
                self._follow(now, playing)
                if self.engine.process is not None and not self._asked and now - self._asked_at > RESTING_S:
                    self.stop()
            finally:
                self.work.release()
        return BUSY_S if self._asked or self._changed or self._waiting is not None else QUIET_S

    def state(self, world: bpy.types.World) -> LiveState:
        """What the panel says about a world."""
        view = self._views.get(world.session_uid)
        error = self.engine.failure or (view.fault or view.error if view is not None else None)
        if error is not None:
            return failed(error)
        if view is None or view.wanted is None:
            return bake_is_shown() if bound_sequence(world) is not None else NOTHING
        asked = any(asked.world == world.session_uid for asked in list(self._asked.values()))
        if asked and not self.engine.is_ready:
            return starting()
        if asked or view.shown != (view.wanted, int(live_settings(world).width)):
            return render_waits() if self.waits.wait_for(world) else rendering(view.arrivals, self._pace.ticked_at)
        return up_to_date(view.shown[1], view.seconds, covered=is_covered(world))

    def view(self, world: bpy.types.World) -> View:
        """What is known of a world."""
        return self._views.setdefault(world.session_uid, View())

    def take(self, now: float) -> None:
        """Take what has come, and show it."""
        self._show_waiting(now)
        process = self.engine.process
        for answer in process.answers() if process is not None else ():
            if isinstance(answer, Ready):
                self.engine.is_ready = True
            elif isinstance(answer, Ended):
                self.stop()
                self.engine.mourn(answer.error)
                self._changed = True
            elif isinstance(answer, Arrived):
                self._take(answer, self._settle(answer.picture.id), now)
            elif answer.id is None:
                self.stop()
                self.engine.failure = answer.error
            else:
                asked = self._settle(answer.id)
                if asked is not None and asked.world in self._views:
                    self._views[asked.world].error = answer.error

    def _settle(self, number: int) -> Asked | None:
        """The request of that number; older ones that were dropped may be asked for again."""
        for other in [n for n in self._asked if n < number]:
            dropped = self._asked.pop(other)
            view = self._views.get(dropped.world)
            if view is not None and view.asked == dropped.what:
                view.asked = None
        return self._asked.pop(number, None)

    def _take(self, arrived: Arrived, asked: Asked | None, now: float) -> None:
        """Put a picture into an image, and show it at once unless that would take long."""
        picture, view = arrived.picture, self._views.get(asked.world) if asked is not None else None
        if asked is None or view is None:
            return
        self._asked_at = now  # a picture that took long is not the end of what somebody looks at
        if isinstance(arrived.pixels, SkyGenError):
            view.error = arrived.pixels
            return
        self._show_waiting(now)
        kept = {*self._kept, *self._filled.values()}  # a viewport that is slow may not have seen the last one yet
        image = fill_image(arrived.pixels, picture.width, "" if picture.carried else digest(*asked.what), kept)
        self._filled[picture.width == live_views.COARSE_WIDTH] = image.session_uid
        self._waiting = (picture, asked, image.session_uid)
        if picture.width <= AT_ONCE_WIDTH:
            self._show_waiting(now)

    def _show_waiting(self, now: float) -> None:
        """Show the picture that was put into an image last, if its world still wants one."""
        if self._waiting is None:
            return
        (picture, asked, image_uid), self._waiting = self._waiting, None
        world, view = world_of(asked.world), self._views.get(asked.world)
        image = next((image for image in bpy.data.images if image.session_uid == image_uid), None)
        if world is None or view is None or image is None:
            return
        image.pack()
        if not may_show(world, view, asked.frame):
            view.asked = None
            return
        view.image = image.session_uid
        if show_picture(world, image, asked.frame, picture.sun, over_bake=view.wished is None):
            push_undo("Show Preview")  # not a part of the undo step of whoever asked, which was made before
        view.seconds = picture.seconds
        view.arrivals = [*view.arrivals[-11:], now]
        self._pace.note_shown(now)
        view.shown, view.error = (asked.what[0], live_views.CARRIED if picture.carried else asked.what[1]), None
        if picture.width == int(live_settings(world).width):
            self.engine.deaths = 0

    def _follow(self, now: float, playing: bool) -> None:
        """Look at the settings of the worlds that are shown, and ask for what is missing."""
        if self._changed or now - self.looked_at >= LOOK_S:
            self.looked_at, self._changed = now, False
            self._forget_gone_worlds()
            if self.engine.is_chosen_anew():
                self.stop()
                self.choose_anew()
                for view in self._views.values():
                    view.shown = None
            for scene, world, depsgraph in followed_scenes(self._views):
                finished = look(self.view(world), scene, world, depsgraph, now=now, trusting=self.trusting)
                self._changed = self._changed or not finished  # it goes on with the next tick
        if self.engine.failure is not None:
            return
        followed = [(scene, world, self.view(world)) for scene, world, _ in followed_scenes(self._views)]
        followed.sort(key=lambda one: one[2].asked_at)  # a world that plays leaves others their turn
        for scene, world, view in followed:
            if view.wanted is not None and (view.fault or view.error) is None:
                self._ask_for_missing(scene, world, view, now, playing)

    def _ask_for_missing(
        self, scene: bpy.types.Scene, world: bpy.types.World, view: View, now: float, playing: bool
    ) -> None:
        wanted, width = view.wanted, int(live_settings(world).width)
        if wanted is None:
            return
        if view.shown == (wanted, width):
            view.wished = None
            return
        coarse_is_there = view.shown is not None and view.shown[0] == wanted
        if (playing or now - view.changed_at < IDLE_S) if coarse_is_there else self._pace.rests(now):
            return
        what = (wanted, width if coarse_is_there else live_views.COARSE_WIDTH)
        if view.asked == what or any(asked.world != world.session_uid for asked in self._asked.values()):
            return
        self.ask(scene, view, what, now, draft=not coarse_is_there)

    def ask(self, scene: bpy.types.Scene, view: View, what: Shown, now: float, *, draft: bool = False) -> None:
        """Ask the process for a picture of the scene's world; why there is no process is kept as a failure."""
        world = scene.world
        if world is None:
            return
        try:
            process = self.engine.start()
        except SkyGenError as error:
            self.engine.failure = error
            return
        self._number += 1
        process.ask(Ask(self._number, what[0], (what[1],), draft, live_views.CARRIED_WIDTH if draft else 0))
        self._asked[self._number] = Asked(world.session_uid, animation_frame(scene), what)
        view.asked, view.asked_at, self._asked_at = what, now, now

    def _forget_gone_worlds(self) -> None:
        present = {world.session_uid for world in bpy.data.worlds}
        for uid in self._views.keys() - present:
            del self._views[uid]


PREVIEW = LivePreview()
"""Timers and handlers are functions that Blender calls: what they work for has to be kept somewhere."""
