"""The images that live pictures are put into, and the world's node shown to have changed.

Blender's renderers keep an image that they have loaded: refilled, it stays as it was in a render with Persistent Data,
and in Cycles' viewport unless it is tagged. So each picture goes into an image that no world shows at the moment, not
into the one that was filled last, and never into one that the last render may still keep. Every picture is packed,
because the pixels of an unpacked one are lost with the first undo and with the file.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import bpy
import numpy as np
from numpy.typing import NDArray

from ...core.geometry import panorama_directions
from ..bake.sequence import COLOUR_SPACE
from ..world.world_nodes import ROLE, environment_node

LIVE = "skygen_live"
"""Custom property of an image that live pictures are put into: :func:`picture_digest`'s text, empty if not known."""
SPARE_IMAGES = 2
"""Images that no world shows and that may be refilled: one of the coarse width and one of the full one."""
_PLACEHOLDER_WIDTH = 64
_ZENITH, _HORIZON = (0.10, 0.19, 0.42), (0.45, 0.52, 0.62)
"""Radiance of the placeholder: about that of clear air with the sun at 45 degrees."""


def is_live_image(image: bpy.types.Image | None) -> bool:
    """Whether live pictures are put into an image."""
    return image is not None and LIVE in image.keys()


def shows_ours(world: bpy.types.World) -> bool:
    """Whether the world's sky node shows a picture of ours, or none; not one that the artist has chosen there."""
    node = environment_node(world)
    return node is not None and (node.image is None or ROLE in node.image.keys())


def fill_image(pixels: NDArray[np.float32], width: int, digest: str, kept: Collection[int] = ()) -> bpy.types.Image:
    """An image that shows a picture and that nothing uses; to be packed before it is shown.

    Parameters
    ----------
    pixels : ndarray, shape (W / 2 * W * 4,), float32
        Linear RGBA from the bottom left, as ``Image.pixels`` has them.
    digest : str
        What tells later which picture it is.
    kept : collection of int
        ``session_uid`` of images that must stay as they are.
    """
    size = (width, width // 2)
    spare = [i for i in bpy.data.images if is_live_image(i) and i.library is None and i.users == 0]
    spare = [image for image in spare if image.session_uid not in kept]
    fitting = next((image for image in spare if tuple(image.size) == size and image.has_data), None)
    image = _new_image(*size) if fitting is None else fitting
    cast(Any, image.pixels).foreach_set(pixels)
    image.update()
    image.update_tag()
    image[LIVE] = digest
    surplus = [other for other in spare if other != image]
    for other in surplus[: max(0, len(surplus) - SPARE_IMAGES)]:
        bpy.data.images.remove(other)
    return image


def placeholder(albedo: Collection[float]) -> bpy.types.Image:
    """A plain sky above a ground of that color, packed, shown until the first picture comes."""
    height = panorama_directions(_PLACEHOLDER_WIDTH)[::-1, :, 2:]
    sky = np.asarray(_HORIZON) + (np.asarray(_ZENITH) - _HORIZON) * np.sqrt(np.maximum(height, 0.0))
    pixels = np.ones((*height.shape[:2], 4), dtype=np.float32)
    pixels[..., :3] = np.where(height > 0, sky, np.asarray(tuple(albedo)) * 0.7)
    image = fill_image(pixels.ravel(), _PLACEHOLDER_WIDTH, "")
    image.pack()
    return image


def _new_image(width: int, height: int) -> bpy.types.Image:
    image = bpy.data.images.new("SkyGen Preview", width, height, alpha=False, float_buffer=True)
    image[ROLE] = "sky"
    cast(Any, image.colorspace_settings).name = COLOUR_SPACE
    image.alpha_mode = "NONE"
    return image


def remove_spare_images() -> None:
    """Remove the live images that no world shows."""
    for image in [i for i in bpy.data.images if is_live_image(i) and i.library is None]:
        if image.users == 0:
            bpy.data.images.remove(image)
