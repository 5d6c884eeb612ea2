"""What each world is to show by its settings, what it shows, and which worlds the live preview follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import bpy

from ...core.errors import SkyGenError
from ...core.job import request_digest
from ...core.request import SkyRequest
from ..engine.model import makers_identity
from ..world.sequence_clock import animation_frame
from ..world.world_nodes import environment_node
from ..world.world_owner import is_own
from .live_bake import bake_shows, bound_sequence, uncover
from .live_pictures import LIVE, is_live_image, shows_ours
from .live_properties import live_settings
from .live_request import LiveRequests

BUDGET_S = 0.02
"""Time for summing the clouds' way in one tick."""

Shown = tuple[SkyRequest, int]
"""A request and a width: what a picture shows."""
COARSE_WIDTH = 256
"""Width of the pictures that come while settings or frame keep changing."""
CARRIED_WIDTH = 512
"""Width of pictures whose clouds are carried from other moments, which come instead where they can be had."""
CARRIED = 0
"""Instead of the width, where such a picture is shown: it never is the one that is wanted."""


@dataclass
class View:
    """What is known of one world."""

    requests: LiveRequests = field(default_factory=LiveRequests)
    wanted: SkyRequest | None = None
    """The sky as it is to be."""
    changed_at: float = 0.0
    """When that changed last."""
    asked_at: float = 0.0
    """When a picture was asked for last."""
    asked: Shown | None = None
    """What was asked for last; None when it was dropped or never."""
    shown: Shown | None = None
    """What the world shows; None when that is not known."""
    image: int = 0
    """``session_uid`` of the image that shows it."""
    wished: int | None = None
    """``session_uid`` of the scene for which somebody has asked for a picture, whatever the choices are."""
    wished_over: int = 0
    """``session_uid`` of the bake that was bound then; 0 if none was."""
    fault: SkyGenError | None = None
    """Why the settings make no sky."""
    error: SkyGenError | None = None
    """Why the wanted sky could not be rendered."""
    seconds: float = 0.0
    """Time that the last picture took to render."""
    arrivals: list[float] = field(default_factory=list)
    """When the last pictures came."""


@dataclass(frozen=True)
class Asked:
    """A request on its way."""

    world: int
    """``session_uid`` of the world."""
    frame: int
    """The scene's frame."""
    what: Shown


def windows() -> list[bpy.types.Window]:
    """Blender's windows."""
    manager = bpy.context.window_manager
    return list(manager.windows) if manager is not None else []


def world_of(session_uid: int) -> bpy.types.World | None:
    """The world of that ``ID.session_uid``; None if it is gone."""
    return next((world for world in bpy.data.worlds if world.session_uid == session_uid), None)


def digest(request: SkyRequest, width: int) -> str:
    """What a picture shows, as a text that is kept with its image."""
    makers = makers_identity()
    return request_digest(dataclasses.replace(request, width=width), makers, makers)


def followed_scenes(
    views: Mapping[int, View],
) -> Iterator[tuple[bpy.types.Scene, bpy.types.World, bpy.types.Depsgraph | None]]:
    """Scenes that windows show or that have a wish, each with its world; each world once."""
    seen: set[int] = set()
    shown = [(window.scene, window.view_layer.depsgraph) for window in windows()]
    wishes = {view.wished for view in views.values()} - {None}
    asked_for = [(s, s.view_layers[0].depsgraph) for s in bpy.data.scenes if s.session_uid in wishes]
    for scene, depsgraph in [*shown, *asked_for]:
        world = scene.world
        if world is not None and world.session_uid not in seen and is_own(world):
            seen.add(world.session_uid)
            yield scene, world, depsgraph


def bake_of(world: bpy.types.World) -> int:
    """``session_uid`` of the bound sequence; 0 if none is bound."""
    sequence = bound_sequence(world)
    return 0 if sequence is None else int(sequence.session_uid)


def may_show(world: bpy.types.World, view: View, frame: int) -> bool:
    """Whether live pictures are wanted in a world at a frame; takes back a wish that a newer bake has overtaken."""
    if not is_own(world) or not shows_ours(world):
        return False
    live = live_settings(world)
    if view.wished is not None and bake_of(world) in (0, view.wished_over):
        return True
    view.wished = None  # a bake that was bound after the wish is what somebody has asked for last
    return bool(live.enabled and (live.over_bake or not bake_shows(world, frame)))


def look(
    view: View,
    scene: bpy.types.Scene,
    world: bpy.types.World,
    depsgraph: bpy.types.Depsgraph | None,
    *,
    now: float,
    trusting: bool,
) -> bool:
    """Find out what a world is to show; returns whether that took no longer than it may.

    ``trusting`` says that images show what their digests say.
    """
    if not may_show(world, view, animation_frame(scene)):
        uncover(world)
        view.wanted = view.asked = view.fault = view.error = None
        return True
    try:
        request = view.requests.request(world, scene, depsgraph, BUDGET_S)
    except SkyGenError as error:
        view.fault = error
        return True
    view.fault = None
    image = cast(Any, environment_node(world)).image
    if view.shown is not None and (image is None or image.session_uid != view.image):
        view.shown = view.asked = None  # a render, a saved file or somebody else has put another one in its place
    if request is None:
        return False
    if request != view.wanted:
        view.wanted, view.error = request, None
        view.changed_at = now if view.shown is not None else view.changed_at
        if view.shown is None and trusting:
            view.shown = _shown_before(world, request)
        view.image = image.session_uid if image is not None and view.shown is not None else view.image
    return True


def _shown_before(world: bpy.types.World, request: SkyRequest) -> Shown | None:
    """What the world shows by the word of its image, if that is the request."""
    node, width = environment_node(world), int(live_settings(world).width)
    image = node.image if node is not None else None
    known = image.get(LIVE) if image is not None and is_live_image(image) else None
    return (request, width) if known and known == digest(request, width) else None
