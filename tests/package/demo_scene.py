"""The demo's two steps inside Blender, each in a process of its own: ``bake`` and ``render``.

    python demo_scene.py bake OUT      install the extension SKYGEN_ZIP, make a scene, bake OUT/sky, save it
    python demo_scene.py render OUT    open OUT/demo.blend without the add-on, render three frames

BLENDER_USER_RESOURCES must name an empty folder. A second run keeps finished frames and renders.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

import bpy

FRAMES = 48
WIDTH = "1024"
PRESET = "fair_cumulus"
RENDERED = (1, 24, 48)
SAMPLES = 48


def say(text: str) -> None:
    """Print a line that build.py passes on."""
    print(f"  @ {text}", flush=True)


def install() -> None:
    """Install and enable the extension as a user would, from its zip."""
    start = time.monotonic()
    bpy.ops.extensions.package_install_files(
        filepath=os.environ["SKYGEN_ZIP"], repo="user_default", enable_on_install=True
    )
    if not hasattr(bpy.ops.skygen, "add_sky") or "bl_ext.user_default.skygen" not in bpy.context.preferences.addons:
        raise RuntimeError("The extension was installed but is not enabled.")
    say(f"Blender {bpy.app.version_string}: extension installed in {time.monotonic() - start:.1f} s")


def material(name: str, colour: tuple[float, float, float], roughness: float, metallic: float) -> bpy.types.Material:
    """A Principled surface."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    return made


def add_objects() -> None:
    """Ground, a box whose shadow shows the sun, a matte and a mirror sphere, all before a camera that looks north."""
    concrete = material("Concrete", (0.32, 0.30, 0.27), 0.9, 0.0)
    white = material("White", (0.8, 0.8, 0.8), 1.0, 0.0)
    mirror = material("Mirror", (0.95, 0.95, 0.95), 0.0, 1.0)
    brick = material("Brick", (0.45, 0.16, 0.10), 0.8, 0.0)
    bpy.ops.mesh.primitive_plane_add(size=400)
    bpy.context.object.data.materials.append(concrete)
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0.0, 6.6, 1.3))
    bpy.context.object.scale = (1.0, 1.0, 2.6)
    bpy.context.object.data.materials.append(brick)
    for position, surface in (((-2.6, 6.2, 1.0), white), ((2.4, 5.6, 1.0), mirror)):
        bpy.ops.mesh.primitive_uv_sphere_add(radius=1.0, segments=96, ring_count=48, location=position)
        bpy.ops.object.shade_smooth()
        bpy.context.object.data.materials.append(surface)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens = 20
    camera.location = (0.0, 0.0, 1.6)
    camera.rotation_euler = (math.radians(98), 0.0, 0.0)  # 8 degrees up: half of the picture is sky
    bpy.context.collection.objects.link(camera)
    bpy.context.scene.camera = camera


def set_up_render() -> None:
    """Cycles on the processor, small and denoised where that is built in."""
    import _cycles  # exists once bpy is imported

    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = bool(_cycles.with_openimagedenoise)
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 640, 360, 100
    scene.render.image_settings.file_format = "PNG"
    scene.frame_start, scene.frame_end = 1, FRAMES
    scene.render.fps = 24


def bake(out: Path) -> None:
    """Install, make the scene, bake the sky and bind it to the world."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0  # no demo.blend1
    install()
    add_objects()
    set_up_render()
    out.mkdir(parents=True, exist_ok=True)
    blend = out / "demo.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    expect_finished(bpy.ops.skygen.add_sky())
    expect_finished(bpy.ops.skygen.apply_preset(preset=PRESET))
    settings = bpy.context.scene.world.skygen
    settings.width = WIDTH
    settings.frame_start, settings.frame_end = 1, FRAMES
    settings.output_folder = "//sky/"
    say(f"preset {PRESET}: sun {math.degrees(settings.sun_elevation):.0f} degrees high")
    expect_finished(bpy.ops.skygen.bake_sequence(skip_existing=True))
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    say("the sky is bound to the world and saved in demo.blend")


def expect_finished(result: set[str]) -> None:
    """An operator that reports an error raises in Python; one that is only cancelled does not."""
    if result != {"FINISHED"}:
        raise RuntimeError(f"An operator ended with {result}.")


def render(out: Path) -> None:
    """Render the demo frames as anybody would who gets the .blend and has no add-on."""
    bpy.ops.wm.open_mainfile(filepath=str(out / "demo.blend"))
    if hasattr(bpy.types.World, "skygen"):
        raise RuntimeError("The add-on is enabled; this step shows that it is not needed.")
    scene = bpy.context.scene
    for frame in RENDERED:
        target = out / f"render_{frame:04d}.png"
        if target.is_file():
            say(f"{target.name} kept")
            continue
        start = time.monotonic()
        scene.frame_set(frame)
        temporary = target.with_name(f"unfinished_{target.name}")
        scene.render.filepath = str(temporary)
        bpy.ops.render.render(write_still=True)
        os.replace(temporary, target)
        say(f"{target.name} rendered in {time.monotonic() - start:.0f} s")


def main(step: str, out: str) -> int:
    """Run one step; the traceback of a defect goes to the log."""
    {"bake": bake, "render": render}[step](Path(out).resolve())
    return 0


if __name__ == "__main__":
    code = 1
    try:
        code = main(*sys.argv[1:])
    except Exception:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a registered add-on makes Blender hang or crash while the process ends
