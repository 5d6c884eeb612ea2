"""Encode a folder of PNG frames as H.264 with Blender's own encoder.

python demo_film.py DISPLAY FILM.mp4
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

FPS = 24


def encode(frames: list[Path], film: Path) -> None:
    """Put the frames into Blender's sequencer, colours untouched, and render them as a film."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    first = bpy.data.images.load(str(frames[0]))
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # renamed in Blender 4.4
    strip = strips.new_image("sky", str(frames[0]), channel=1, frame_start=1)
    for path in frames[1:]:
        strip.elements.append(path.name)
    scene.frame_start, scene.frame_end = 1, len(frames)
    render = scene.render
    render.fps = FPS
    render.resolution_x, render.resolution_y = first.size
    render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"  # the pictures are tone-mapped already
    scene.sequencer_colorspace_settings.name = "sRGB"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format = "MPEG4"
    render.ffmpeg.codec = "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.ffmpeg.audio_codec = "NONE"
    unfinished = film.with_name(f"unfinished_{film.name}")
    render.filepath = str(unfinished)
    bpy.ops.render.render(animation=True)
    if not unfinished.is_file() or unfinished.stat().st_size < 1000:
        raise RuntimeError(f"Blender wrote no film to {unfinished}.")
    os.replace(unfinished, film)
    print(f"  @ {film.name}: {len(frames)} frames at {FPS} a second", flush=True)


if __name__ == "__main__":
    code = 1
    try:
        folder, target = sys.argv[1:]
        encode(sorted(Path(folder).resolve().glob("display_*.png")), Path(target).resolve())
        code = 0
    except Exception:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
