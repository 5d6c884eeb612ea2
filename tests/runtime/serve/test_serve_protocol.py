"""What a serving process and its asker say to each other reads back; picture files hold what was written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from skygen_addon.core.errors import BundleError, OutputError
from skygen_addon.core.request import SkyRequest
from skygen_addon.runtime.frame.sun_record import SunLight
from skygen_addon.runtime.kept_memory import MemoryUse
from skygen_addon.runtime.serve.serve_protocol import (
    Ask,
    AskError,
    MemoryOrder,
    Picture,
    Refusal,
    ask_line,
    memory_line,
    order_line,
    picture_line,
    read_answer,
    read_ask,
    read_order,
    read_picture,
    refusal_line,
    write_picture,
)

SUN = SunLight(1.0, 0.5, (3.0, 2.0, 1.0), 0.25, 0.75)


def test_lines_read_back_as_what_was_said() -> None:
    request = SkyRequest(seed=5, time_s=1.5, width=512)
    for wanted in (Ask(9, request, (256, 512)), Ask(9, request, (256,), True, 512)):
        assert read_ask(ask_line(wanted)) == wanted
    picture = Picture(9, 256, "9_256.rgba", 0.125, False, SUN, True)
    assert read_answer(picture_line(picture)) == picture
    assert read_answer(picture_line(dataclasses.replace(picture, sun=None))) == dataclasses.replace(picture, sun=None)
    refusal = read_answer(refusal_line(Refusal(None, BundleError("No bundle.", "Reinstall."))))
    assert isinstance(refusal, Refusal) and refusal.id is None and str(refusal.error) == "No bundle. Reinstall."
    for chatter in ("", "a warning", "[]", "3", '{"id": 3}', '{"error": "x"}', "[" * 100000):
        assert read_answer(chatter) is None
    with pytest.raises(AskError, match="not an object of"):
        read_ask("[1, 2]")


def test_orders_and_what_is_kept_read_back() -> None:
    for order in (MemoryOrder(0), MemoryOrder(2**40, True)):
        assert read_order(order_line(order)) == order
    request = ask_line(Ask(9, SkyRequest(), (256,)))
    for line in (request, "", "[", "[" * 100000, '{"budget": -1, "clear": true}', '{"budget": 1.5, "clear": true}'):
        assert read_order(line) is None
    assert read_order('{"budget": 5, "clear": 1}') is None and read_order('{"budget": true, "clear": true}') is None
    for memory in (MemoryUse(0, 0), MemoryUse(5, 3)):
        assert read_answer(memory_line(memory)) == memory
        picture = Picture(9, 256, "9_256.rgba", 0.125, True, SUN, False, memory)
        assert read_answer(picture_line(picture)) == picture


def test_a_picture_file_of_another_size_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a", np.zeros((32, 64, 3), np.float32))
    with pytest.raises(OutputError, match="not 128 pixels wide"):
        read_picture(tmp_path / "a", 128)
    with pytest.raises(OutputError, match="cannot be read"):
        read_picture(tmp_path / "gone", 64)


def test_the_first_picture_row_lies_at_the_bottom(tmp_path: Path) -> None:
    radiance = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)  # row 0 is the zenith
    write_picture(tmp_path / "a", radiance)
    pixels = read_picture(tmp_path / "a", 4)
    assert pixels[:4].tolist() == [12.0, 13.0, 14.0, 1.0]
    assert pixels[-4:].tolist() == [9.0, 10.0, 11.0, 1.0]
