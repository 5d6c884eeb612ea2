"""Renders without a bake see the newest live picture and tell where it lags; its images do not pile up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import live_world
import numpy as np
import pytest
from conftest import add_camera, rendered
from live_world import Clock, part

live, sky = live_world.live, live_world.sky


def test_a_render_with_persistent_data_sees_every_picture(sky: Any, live: Clock, tmp_path: Path) -> None:
    handlers = part("live.live_handlers")
    bpy.context.scene.render.use_persistent_data = True
    add_camera(sky.skygen.sun_azimuth + math.pi, 0.5)
    assert handlers.prepare_render in bpy.app.handlers.render_init
    seen = []
    for minutes in (0, 1, 2, 3):
        sky.skygen.time_offset = minutes * 60.0
        live.settle()
        for extra in range(minutes):  # any number of pictures between two renders
            sky.skygen.haze = 1.5 + extra
            live.settle()
        seen.append(float(np.median(rendered(tmp_path / f"{minutes}.exr", 1)[..., 0])))
    assert seen == pytest.approx([0.1, 1.1, 2.1, 3.1], rel=0.02)


def test_a_render_of_a_preview_that_lags_behind_is_told_of(
    sky: Any, live: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_camera(0.3, 0.5)
    rendered(tmp_path / "a.exr", 1)
    assert "older or coarser" not in caplog.text  # as it is to be
    sky.skygen.haze = 2.0  # and no tick since
    rendered(tmp_path / "b.exr", 1)
    assert caplog.text.count("older or coarser") == 1
    live.settle()
    rendered(tmp_path / "c.exr", 1)
    sky.skygen_live.enabled = False  # the artist keeps the picture on purpose
    sky.skygen.haze = 3.0
    rendered(tmp_path / "d.exr", 1)
    assert caplog.text.count("older or coarser") == 1


def test_spare_images_do_not_pile_up(sky: Any, live: Clock) -> None:
    for width in ("512", "1024", "2048", "512", "1024", "2048"):
        sky.skygen_live.width = width
        for offset in (1.0, 2.0, 3.0):
            sky.skygen.time_offset = offset * float(width)
            live.settle()
    images = [i for i in bpy.data.images if "skygen_live" in i.keys()]
    assert len(images) <= 5  # shown, filled last, and to be refilled
    assert [i for i in images if i.is_dirty] == []  # else Blender asks on quitting whether to save them
