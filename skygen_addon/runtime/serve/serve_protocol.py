"""What a serving process and the program that asks it say to each other, and the file that holds a picture.

Requests are lines of JSON, ``{"id": 7, "widths": [256, 512], "draft": false, "carried": 0, "request": {...}}``: a
number of the asker's own, the widths wanted from coarse to fine, whether drafts do, the width of a picture carried from
other moments that does instead of all of them (0 for none), and the request as a job records it. ``{"budget":
1000000000, "clear": false}`` says how many bytes may be kept between pictures, and whether all that is kept is to be
let go; it is answered whatever else waits. Answers are lines too:

- ``{"ready": true}`` when the renderer is loaded,
- ``{"id": 7, "width": 256, "file": "7_256.rgba", "seconds": 0.1, "last": false, "sun": {...}, "carried": false,
  "memory": {...}}`` when a picture lies in the folder; ``sun`` is what :class:`..frame.sun_record.SunLight` holds, null
  where the renderer does not know it, ``carried`` tells a picture by :class:`..film.film.Film` from a rendered one, and
  ``memory`` is what :class:`..kept_memory.MemoryUse` holds, null where nothing is kept,
- ``{"memory": {...}}`` when a budget was taken over,
- ``{"id": 7, "error": "...", "remedy": "..."}`` when a request cannot be served; without ``id`` the process ends.
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import OutputError, RequestError, SkyGenError
from ...core.request import SkyRequest, request_from_dict
from ...core.whole_file import whole_file
from ..frame.sun_record import SunLight
from ..kept_memory import MemoryUse

MAX_ID = 2**53
_REMEDY = "Reinstall SkyGen, then restart Blender."


@dataclass(frozen=True)
class Ask:
    """One request for pictures."""

    id: int
    """Number that the answers repeat, 0 to 2^53."""
    request: SkyRequest
    """What is to be seen; its own width does not matter."""
    widths: tuple[int, ...]
    """Widths in pixels in the order in which they are made, coarse to fine."""
    draft: bool = False
    """Whether quick looks do, from a renderer that draws them."""
    carried: int = 0
    """Width of a picture carried from other moments, which does instead where it can be had; 0 if none does."""


@dataclass(frozen=True)
class MemoryOrder:
    """What may be kept between pictures."""

    budget: int
    """Bytes of arrays, 0 to 2^53."""
    clear: bool = False
    """Whether what is kept now is to be let go."""


@dataclass(frozen=True)
class Ready:
    """The renderer is loaded."""


@dataclass(frozen=True)
class Picture:
    """A finished picture."""

    id: int
    """Of the request."""
    width: int
    """In pixels; the height is half of it."""
    file: str
    """Name of the file in the folder, see :func:`read_picture`."""
    seconds: float
    """Time that rendering took."""
    last: bool
    """Whether no finer one follows."""
    sun: SunLight | None
    """What the sun gives; None where the renderer does not know it."""
    carried: bool = False
    """Whether its clouds were carried from other moments, so that it never stands for a rendered picture."""
    memory: MemoryUse | None = None
    """What is kept after it; None of a renderer that keeps nothing."""


@dataclass(frozen=True)
class Refusal:
    """A request that cannot be served, or the reason for which the process ends."""

    id: int | None
    """Of the request; None where it could not be read, or the process as a whole is at fault."""
    error: SkyGenError
    """What is wrong, and the remedy."""


_ASK_KEYS = {field.name for field in dataclasses.fields(Ask)}


class AskError(RequestError):
    """A request that makes no sense; ``number`` is its id, None where that cannot be read."""

    def __init__(self, message: str, remedy: str, number: int | None = None) -> None:
        super().__init__(message, remedy)
        self.number = number


def ask_line(ask: Ask) -> str:
    """A request as a serving process reads it."""
    return json.dumps({**vars(ask), "request": ask.request.to_dict()}, allow_nan=False)


def read_ask(line: str) -> Ask:
    """What :func:`ask_line` wrote.

    Raises
    ------
    AskError
        If the line is anything else.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AskError(f"The request cannot be read: {error}.", _REMEDY) from error
    if not isinstance(data, dict) or data.keys() != _ASK_KEYS:
        raise AskError("The request is not an object of id, widths, draft, carried and request.", _REMEDY)
    number, widths = data["id"], data["widths"]
    if type(number) is not int or not 0 <= number <= MAX_ID:
        raise AskError(f"The request's id is {reprlib.repr(number)}.", "Give a whole number from 0 to 2^53.")
    rising = isinstance(widths, list) and all(type(width) is int for width in widths) and sorted(set(widths)) == widths
    if not widths or not rising:
        raise AskError(f"The widths are {reprlib.repr(widths)}.", "Give one or more, in rising order.", number)
    if not isinstance(data["draft"], bool):
        raise AskError(f"draft is {reprlib.repr(data['draft'])}.", "Give true or false.", number)
    carried = data["carried"]
    if type(carried) is not int:
        raise AskError(f"carried is {reprlib.repr(carried)}.", "Give a width, or 0.", number)
    try:
        request = request_from_dict(data["request"])
        for width in (*widths, carried or widths[0]):
            dataclasses.replace(request, width=width)  # refuses a width that no frame has
    except RequestError as error:
        raise AskError(error.message, error.remedy, number) from error
    return Ask(number, request, tuple(widths), data["draft"], carried)


def order_line(order: MemoryOrder) -> str:
    """An order as a serving process reads it."""
    return json.dumps(dataclasses.asdict(order))


def read_order(line: str) -> MemoryOrder | None:
    """What :func:`order_line` wrote; None for any other line."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.keys() != {"budget", "clear"}:
        return None
    budget, clear = data["budget"], data["clear"]
    known = type(budget) is int and 0 <= budget <= MAX_ID and isinstance(clear, bool)
    return MemoryOrder(budget, clear) if known else None


def memory_line(memory: MemoryUse) -> str:
    """What is kept, for the program that has given an order."""
    return json.dumps({"memory": dataclasses.asdict(memory)})


def ready_line() -> str:
    """The renderer is loaded, for the program that asks."""
    return json.dumps({"ready": True})


def picture_line(picture: Picture) -> str:
    """A finished picture, for the program that asks."""
    return json.dumps(dataclasses.asdict(picture), allow_nan=False)


def refusal_line(refusal: Refusal) -> str:
    """What is wrong and its remedy, for the program that asks."""
    text = {"error": refusal.error.message, "remedy": refusal.error.remedy}
    return json.dumps(text if refusal.id is None else {"id": refusal.id, **text})


def read_answer(line: str) -> Ready | Picture | Refusal | MemoryUse | None:
    """What a serving process says; None for anything else, such as a library's chatter."""
    try:
        data = json.loads(line)
        if data == {"ready": True}:
            return Ready()
        if not isinstance(data, dict):
            return None
        if data.keys() == {"memory"}:
            return MemoryUse(**data["memory"])
        if data.keys() - {"id"} == {"error", "remedy"}:
            return Refusal(data.get("id"), SkyGenError(str(data["error"]), str(data["remedy"])))
        if data.keys() != {field.name for field in dataclasses.fields(Picture)}:
            return None
        memory = None if data["memory"] is None else MemoryUse(**data["memory"])
        return Picture(**{**data, "sun": _sunlight(data["sun"]), "memory": memory})
    except (ValueError, TypeError, KeyError, RequestError, RecursionError):
        return None


def _sunlight(data: dict[str, Any] | None) -> SunLight | None:
    return None if data is None else SunLight(**{**data, "irradiance": tuple(data["irradiance"])})


def write_picture(path: Path, radiance: NDArray[np.float32]) -> None:
    """Write a panorama as Blender's images hold it: float32 RGBA, bottom row first, no header.

    Parameters
    ----------
    path : Path
        The file appears whole or not at all.
    radiance : ndarray, shape (H, W, 3), float32
        Linear Rec.709, row 0 at the zenith.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rgba = np.ones((*radiance.shape[:2], 4), dtype=np.float32)
    rgba[..., :3] = radiance[::-1]
    with whole_file(path) as temporary:
        rgba.tofile(temporary)


def read_picture(path: Path, width: int) -> NDArray[np.float32]:
    """What :func:`write_picture` wrote, ready for ``Image.pixels.foreach_set``.

    Returns
    -------
    ndarray, shape (W / 2 * W * 4,), float32

    Raises
    ------
    OutputError
        If the file is missing or of another size.
    """
    remedy = "Free some space on the disk of temporary files, then change a setting to try again."
    try:
        flat = np.fromfile(path, dtype=np.float32)
    except OSError as error:
        raise OutputError(f"The preview {path} cannot be read: {error.strerror or error}.", remedy) from error
    if flat.size != width * (width // 2) * 4:
        raise OutputError(f"The preview {path} is not {width} pixels wide.", remedy)
    return flat
