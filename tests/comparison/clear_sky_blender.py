"""Render Blender's own clear sky as panoramas, to be compared with ours.

    python clear_sky_blender.py OUT    OUT/<air>_<sun elevation in degrees>.exr, linear Rec.709 in W m^-2 sr^-1

Runs inside Blender 5.0 or later (sky texture of type MULTIPLE_SCATTERING). Pictures follow the
project's convention: row 0 touches the zenith, the centre looks along +X, and there is the sun.

Which settings stand for which of our airs follows from what the two programs mean by them: equal
vertical optical depths, whatever the sun. Blender's aerosol of density 1 has depth 0.0184 at
550 nm (its extinction is 0.0249 per km at the ground and falls with a scale of 0.73 km), so our
haze 1 (depth 0.10) is density 5.44; its ozone of density 1 is 354 Dobson units, so our 300 are
0.847; its molecules have our depth within 1 %. Its ground has albedo 0.3 and cannot be changed.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import bpy

WIDTH, SAMPLES = 256, 32
SUN_ELEVATIONS_DEG = (-4.0, 0.5, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 85.0)
AEROSOL_DENSITY = {"reference": 0.10 / 0.0184, "clean": 1.0}
"""Blender's aerosol density for our haze 1, and its default, which is our haze 0.184."""
OZONE_DENSITY = 300 / 354


def prepare_scene() -> bpy.types.Scene:
    """An empty scene with an equirectangular camera that looks along +X, for raw float pictures, on one thread."""
    scene = bpy.context.scene
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    camera = bpy.data.cameras.new("Panorama")
    camera.type, camera.panorama_type = "PANO", "EQUIRECTANGULAR"
    scene.camera = bpy.data.objects.new("Panorama", camera)
    scene.camera.rotation_euler = (math.pi / 2, 0, -math.pi / 2)
    scene.collection.objects.link(scene.camera)
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, WIDTH // 2, 100
    render.threads_mode, render.threads = "FIXED", 1
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
    scene.cycles.pixel_filter_type = "BOX"
    scene.view_settings.view_transform = "Raw"
    settings = render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGB", "32"
    return scene


def add_sky(scene: bpy.types.Scene) -> bpy.types.ShaderNodeTexSky:
    """A world that shows nothing but the sky texture, without the sun's disc, at strength 1."""
    world = scene.world = bpy.data.worlds.new("Sky")
    if world.node_tree is None:
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    sky, background = nodes.new("ShaderNodeTexSky"), nodes.new("ShaderNodeBackground")
    output = nodes.new("ShaderNodeOutputWorld")
    links.new(sky.outputs["Color"], background.inputs["Color"])
    links.new(background.outputs["Background"], output.inputs["Surface"])
    sky.sky_type = "MULTIPLE_SCATTERING"
    sky.sun_disc = False
    sky.sun_rotation = math.pi / 2  # the sun's azimuth is that of +X
    sky.altitude, sky.air_density, sky.ozone_density = 0.0, 1.0, OZONE_DENSITY
    return sky


def render_skies(folder: Path) -> None:
    """Render every air and sun elevation into a folder."""
    scene = prepare_scene()
    sky = add_sky(scene)
    for air, density in AEROSOL_DENSITY.items():
        sky.aerosol_density = density
        for elevation_deg in SUN_ELEVATIONS_DEG:
            sky.sun_elevation = math.radians(elevation_deg)
            scene.render.filepath = str(folder / f"{air}_{elevation_deg:g}.exr")
            bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("clear_sky_blender.py: one folder is needed: python clear_sky_blender.py OUT", file=sys.stderr)
        sys.exit(2)
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    render_skies(target)
    os._exit(0)  # leaves without Blender's exit, which can hang
