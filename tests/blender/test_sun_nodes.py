"""Our nodes that take the sun out of the picture go in and out beside the artist's, and cut none of them out."""

from __future__ import annotations

from typing import Any

import bpy
import pytest
import sunny_sky
from sunny_sky import use_lamp

sunny, sky = sunny_sky.sunny, sunny_sky.sky
"""Fixtures."""


def chain(world: Any) -> list[str]:
    """Nodes from the World Output back to the sky, along the picture that lights the scene."""
    node = next(n for n in world.node_tree.nodes if n.bl_idname == "ShaderNodeOutputWorld")
    found = []
    while node.get("skygen_role") != "sky":
        sockets = [s for s in node.inputs if s.is_linked and s.identifier in ("Surface", "Color", "A_Color", "Vector")]
        node = sockets[0].links[0].from_node
        found.append(node.name)
    return found


def node(world: Any, kind: str) -> Any:
    """A new node of the artist."""
    made = world.node_tree.nodes.new(kind)
    made.name = "Hue"
    return made


BACKGROUND, LIMIT, CHOICE, SKY = "SkyGen Background", "SkyGen Sun Limit", "SkyGen Sun for the Camera", "SkyGen Sky"


@pytest.mark.parametrize("before_limit", [True, False])
def test_an_artists_node_beside_the_limit_stays_where_it_is(sky: Any, before_limit: bool) -> None:
    use_lamp(sky)
    bpy.ops.skygen.show_preview()
    nodes, links = sky.node_tree.nodes, sky.node_tree.links
    hue, limit = node(sky, "ShaderNodeHueSaturation"), nodes[LIMIT]
    source, target = (
        (nodes[SKY].outputs["Color"], limit.inputs[0]) if before_limit
        else (limit.outputs[0], nodes[BACKGROUND].inputs["Color"])
    )  # fmt: skip
    links.new(hue.inputs["Color"], source)
    links.new(target, hue.outputs["Color"])
    lamp = [LIMIT, "Hue"] if before_limit else ["Hue", LIMIT]
    both = [CHOICE, LIMIT, "Hue"] if before_limit else ["Hue", CHOICE, LIMIT]
    assert chain(sky) == [BACKGROUND, *lamp, SKY]
    bpy.ops.skygen.show_preview()
    assert chain(sky) == [BACKGROUND, *lamp, SKY] and nodes[LIMIT] == limit
    use_lamp(sky, "BOTH")
    assert chain(sky) == [BACKGROUND, *both, SKY]
    seen = next(s for s in nodes[CHOICE].inputs if s.identifier == "B_Color").links[0].from_node.name
    assert seen == ("Hue" if before_limit else SKY)
    use_lamp(sky, "TEXTURE")
    assert chain(sky) == [BACKGROUND, "Hue", SKY]
    use_lamp(sky, "BOTH")
    assert chain(sky) == [BACKGROUND, "Hue", CHOICE, LIMIT, SKY]
    use_lamp(sky)
    assert chain(sky) == [BACKGROUND, "Hue", LIMIT, SKY]


@pytest.mark.parametrize(
    ("sun_in", "gone"),
    [("LAMP", SKY), ("LAMP", LIMIT), *(("BOTH", name) for name in (SKY, LIMIT, CHOICE, "SkyGen Rays"))],
)
def test_what_the_artist_deletes_of_ours_comes_back_with_the_preview(sky: Any, sun_in: str, gone: str) -> None:
    use_lamp(sky, sun_in)
    bpy.ops.skygen.show_preview()
    expected, nodes = chain(sky), sky.node_tree.nodes
    nodes.remove(nodes[gone])
    bpy.ops.skygen.show_preview()
    assert chain(sky) == expected
