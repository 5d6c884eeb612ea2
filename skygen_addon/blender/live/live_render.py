"""Live pictures in renders: each shows the full picture of its own frame, which it waits for, or tells why not.

A render of a window runs beside the interface, so its thread may wait; a playblast stops the interface anyway. Where
frames are baked nothing is waited for, and without a window there are no live pictures.
"""

from __future__ import annotations

import time

import bpy

from ...core.errors import SkyGenError
from ..world.world_owner import is_own
from .live_bake import bound_sequence
from .live_properties import live_settings
from .live_session import LivePreview
from .live_views import look

PATIENCE_S = 300.0
"""How long a render waits for a picture. After that none is waited for any more, or each frame of a film would."""


def finish(
    preview: LivePreview, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None, *, over_bake: bool = False
) -> None:
    """Wait until a scene shows the full picture of its present frame, if live pictures are what it shows.

    What keeps it from coming is told by :func:`lag_in_words`. In a render beside the interface Esc ends the waiting.

    Parameters
    ----------
    depsgraph : Depsgraph, optional
        One that is evaluated at the frame.
    over_bake : bool
        Also where live pictures cover a bound bake, which only the viewport shows.
    """
    world = scene.world
    if world is None or not is_own(world) or (bound_sequence(world) is not None and not over_bake):
        return
    with preview.work:
        preview.waits.begin(scene, world)
        try:
            _wait(preview, scene, world, depsgraph)
        finally:
            preview.waits.end()


def _wait(
    preview: LivePreview, scene: bpy.types.Scene, world: bpy.types.World, depsgraph: bpy.types.Depsgraph | None
) -> None:
    view, width = preview.view(world), int(live_settings(world).width)
    end = time.monotonic() + PATIENCE_S
    while not preview.waits.given_up and (now := time.monotonic()) < end:
        preview.take(now)
        if not look(view, scene, world, depsgraph, now=now, trusting=preview.trusting):
            continue  # the clouds' way is summed in steps
        wanted = view.wanted
        if wanted is None:
            return
        if view.shown == (wanted, width):
            view.wished = None  # else a film would get more than the one picture that somebody has asked for
            return
        if (view.fault or view.error or preview.engine.failure) is not None:
            return
        if view.asked != (wanted, width) or preview.engine.process is None:
            preview.ask(scene, view, (wanted, width), now)
        time.sleep(0.02)
    if preview.waits.given_up:
        return
    preview.stop()
    preview.engine.failure = SkyGenError(
        f"The picture has not come in {PATIENCE_S:.0f} seconds.",
        "Choose a smaller preview and press Update Preview, or bake.",
    )


def lag_in_words(
    preview: LivePreview, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None = None
) -> str | None:
    """What a render of a scene shows that is not what the settings say; None where a bake counts or all is well.

    ``depsgraph`` is that of :func:`finish`.
    """
    world = scene.world
    if world is None or not is_own(world) or bound_sequence(world) is not None:
        return None
    view, width = preview.view(world), int(live_settings(world).width)
    look(view, scene, world, depsgraph, now=preview.looked_at, trusting=preview.trusting)
    fault = view.fault or view.error or preview.engine.failure
    if view.fault is None and (view.wanted is None or view.shown == (view.wanted, width)):
        return None
    why = f" {fault.message} {fault.remedy}" if fault is not None else " Render again, or bake."
    return f"The render shows a preview of {world.name} that is older or coarser than its settings say.{why}"
