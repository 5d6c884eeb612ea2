"""Render the cloud volume of cloud_volume_scene.py with Cycles, to be compared with our path tracer.

    python cloud_volume_cycles.py FOLDER [SAMPLES [STEP_RATE]]

reads ``FOLDER/cloud_volume.npz`` and writes ``FOLDER/cloud_volume_<Blender>_<step rate>_<view>_<sun>.exr``, float:
red is scattered radiance per unit of normal sun irradiance, green per unit of uniform radiance
from above the horizon, blue from below it; alpha is the opacity. Runs inside Blender 4.5 or 5.0.

One Blender unit is a kilometre, so the grid's extinction is the density. The phase function's two
lobes are two white Volume Scatter nodes that share the density by their weights. Cycles 4.5 marches
in steps (STEP_RATE voxels long); 5.0 tracks with null collisions, unbiased.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

sys.path.append(str(Path(bpy.utils.resource_path("LOCAL")) / "python/lib/python3.11/site-packages"))
import openvdb  # noqa: E402 (comes with Blender, in a folder that the bpy module leaves out)

BOUNCES = 1024


def prepare_scene(pixels: int, samples: int, step_rate: float) -> bpy.types.Scene:
    """An empty scene for raw float pictures: no denoising, no clamping, no limit that matters, one thread."""
    scene = bpy.context.scene
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = pixels, pixels, 100
    render.threads_mode, render.threads = "FIXED", 1
    render.film_transparent = True
    cycles.samples = samples
    cycles.use_denoising = cycles.use_adaptive_sampling = cycles.use_light_tree = False
    cycles.pixel_filter_type = "BOX"
    cycles.max_bounces = cycles.volume_bounces = cycles.transparent_max_bounces = BOUNCES
    cycles.sample_clamp_direct = cycles.sample_clamp_indirect = 0.0
    cycles.volume_step_rate, cycles.volume_max_steps = step_rate, 65536
    scene.view_settings.view_transform = "Raw"
    settings = render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    return scene


def add_world(scene: bpy.types.Scene) -> None:
    """Radiance 1 in green above the horizon and in blue below; found by paths that leave, without light sampling."""
    world = scene.world = bpy.data.worlds.new("Hemispheres")
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    place, split = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
    above, below = nodes.new("ShaderNodeMath"), nodes.new("ShaderNodeMath")
    colour, background = nodes.new("ShaderNodeCombineColor"), nodes.new("ShaderNodeBackground")
    output = nodes.new("ShaderNodeOutputWorld")
    above.operation, below.operation = "GREATER_THAN", "LESS_THAN"
    above.inputs[1].default_value = below.inputs[1].default_value = 0.0
    links.new(place.outputs["Generated"], split.inputs[0])
    for test, channel in ((above, "Green"), (below, "Blue")):
        links.new(split.outputs["Z"], test.inputs[0])
        links.new(test.outputs[0], colour.inputs[channel])
    links.new(colour.outputs[0], background.inputs["Color"])
    links.new(background.outputs[0], output.inputs["Surface"])


def add_cloud(scene: bpy.types.Scene, data: dict[str, np.ndarray], folder: Path) -> None:
    """The grid as an OpenVDB volume, scattering by both lobes with albedo 1."""
    grid = openvdb.FloatGrid()
    grid.name = "density"
    grid.copyFromArray(np.ascontiguousarray(data["extinction"]), tolerance=0.0)
    voxel = float(data["voxel_km"])
    matrix = np.diag([voxel, voxel, voxel, 1.0])
    matrix[3, :3] = data["corner_km"] - voxel / 2  # Cycles' voxels hold their centre's value half a voxel further on
    grid.transform = openvdb.createLinearTransform(matrix.tolist())
    path = folder / "cloud_volume.vdb"
    openvdb.write(str(path), grids=[grid])

    volume = bpy.data.volumes.new("Cloud")
    volume.filepath = str(path)
    volume.render.precision, volume.render.clipping = "FULL", 0.0
    scene.collection.objects.link(bpy.data.objects.new("Cloud", volume))
    material = bpy.data.materials.new("Droplets")
    material.use_nodes = True
    material.cycles.volume_sampling = "DISTANCE"
    volume.materials.append(material)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    density, both, output = (nodes.new(f"ShaderNode{n}") for n in ("Attribute", "AddShader", "OutputMaterial"))
    density.attribute_name = "density"
    for index, (g, weight) in enumerate(zip(data["lobes_g"], data["lobe_weights"], strict=True)):
        lobe, share = nodes.new("ShaderNodeVolumeScatter"), nodes.new("ShaderNodeMath")
        share.operation = "MULTIPLY"
        share.inputs[1].default_value = weight
        lobe.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
        lobe.inputs["Anisotropy"].default_value = g
        links.new(density.outputs["Fac"], share.inputs[0])
        links.new(share.outputs[0], lobe.inputs["Density"])
        links.new(lobe.outputs[0], both.inputs[index])
    links.new(both.outputs[0], output.inputs["Volume"])


def add_sun(scene: bpy.types.Scene) -> bpy.types.Object:
    """A sun of irradiance 1 in red, without a disc."""
    lamp = bpy.data.lights.new("Sun", "SUN")
    lamp.energy, lamp.angle, lamp.color = 1.0, 0.0, (1.0, 0.0, 0.0)
    lamp.cycles.max_bounces = BOUNCES
    sun = bpy.data.objects.new("Sun", lamp)
    scene.collection.objects.link(sun)
    return sun


def add_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """A perspective camera at the origin."""
    camera = bpy.data.cameras.new("View")
    camera.sensor_fit, camera.clip_start, camera.clip_end = "HORIZONTAL", 1e-3, 1e3
    scene.camera = bpy.data.objects.new("View", camera)
    scene.collection.objects.link(scene.camera)
    return scene.camera


def render_views(folder: Path, samples: int, step_rate: float) -> None:
    """Render every view under every sun into the folder."""
    data = dict(np.load(folder / "cloud_volume.npz"))
    scene = prepare_scene(int(data["pixels"]), samples, step_rate)
    add_world(scene)
    add_cloud(scene, data, folder)
    sun, camera = add_sun(scene), add_camera(scene)
    for view, axes, field_deg in zip(data["views"], data["axes"], data["fields_deg"], strict=True):
        camera.data.angle = np.deg2rad(field_deg)
        camera.matrix_world = Matrix(np.stack([axes[0], axes[1], -axes[2]], axis=1).tolist()).to_4x4()
        for seed, (elevation_deg, toward) in enumerate(zip(data["suns_deg"], data["suns"], strict=True)):
            scene.cycles.seed = seed  # sky and ground do not know the sun: three independent renders of them
            sun.rotation_euler = Vector(toward).to_track_quat("Z", "Y").to_euler()
            name = f"cloud_volume_{bpy.app.version_string[:3]}_{step_rate:g}_{view}_{elevation_deg:g}.exr"
            scene.render.filepath = str(folder / name.replace(" ", "_"))
            bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        print("cloud_volume_cycles.py: a folder is needed: FOLDER [SAMPLES [STEP_RATE]]", file=sys.stderr)
        sys.exit(2)
    target = Path(sys.argv[1]).resolve()
    render_views(target, int((sys.argv[2:] or ["256"])[0]), float((sys.argv[3:] or ["1"])[0]))
    os._exit(0)  # leaves without Blender's exit, which can hang
