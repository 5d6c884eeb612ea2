"""Poly Haven's public interface (https://api.polyhaven.com): which skies there are, and their files.

Asked for are ``/assets?type=hdris&categories=...`` (assets that are in all of the categories) and
``/files/{id}`` (``hdri`` -> resolution -> format -> ``url``, ``size``, ``md5``), as described in
https://api.polyhaven.com/api-docs/swagger.json. Its terms
(https://github.com/Poly-Haven/Public-API/blob/master/ToS.md) ask for a user agent that names the
program, and for a visible credit to Poly Haven. The panoramas themselves are CC0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from trainer.captures.fetch.polite_client import BadAnswer, PoliteClient, check_url

API = "https://api.polyhaven.com"
LICENCE = "CC0-1.0"
ORIGIN = "Poly Haven"
CREDIT = (
    "Powered by Poly Haven, https://polyhaven.com. Licence of the panoramas: CC0-1.0, https://polyhaven.com/license"
)
"""What the interface's terms (2.5) ask to be shown beside its content."""

HDRI = 0
"""The interface's number for panoramas among its types of assets."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,50}")  # the interface's own rule for names in /files/{id}
_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_REMEDY = "The interface may have changed: look for a newer version of SkyGen."


@dataclass(frozen=True)
class SkyFile:
    """One panorama file as the interface states it."""

    url: str
    """Where it lies."""
    size_bytes: int
    """At least 1."""
    md5: str
    """32 hexadecimal digits."""


def list_skies(client: PoliteClient, api: str, categories: list[str]) -> list[str]:
    """Names of the panoramas that are in all the categories, sorted; empty if there are none.

    Raises
    ------
    BadAnswer, Unreachable
        The answer is not such a list, or names something that could not safely be a file name.
    """
    answer = client.json(f"{api}/assets?{urlencode({'type': 'hdris', 'categories': ','.join(categories)})}")
    if not isinstance(answer, dict):
        raise BadAnswer(f"{api}/assets answers {type(answer).__name__}, not a table of assets.", _REMEDY)
    found = []
    for name, asset in answer.items():
        if not _ID.fullmatch(name):
            raise BadAnswer(f"{api}/assets names an asset {name[:80]!r}.", "Nothing of this list was used. " + _REMEDY)
        listed = asset.get("categories") if isinstance(asset, dict) else None
        if not isinstance(listed, list):
            raise BadAnswer(f"{api}/assets gives {name} no categories.", _REMEDY)
        if asset.get("type", HDRI) == HDRI and set(categories) <= {c for c in listed if isinstance(c, str)}:
            found.append(name)
    return sorted(found)


def sky_file(client: PoliteClient, api: str, name: str, resolution: str, suffix: str) -> SkyFile | list[str]:
    """A panorama's file, or the resolutions that it has in this format when the wanted one is not among them.

    Parameters
    ----------
    client : PoliteClient
    api : str
        Address of the interface, without a slash at the end.
    name : str
        One of :func:`list_skies`.
    resolution : str
        Width in thousands of pixels: "1k", "2k", "4k" ...
    suffix : str
        "hdr" or "exr".

    Raises
    ------
    BadAnswer, Unreachable
        The answer does not describe files.
    """
    url = f"{api}/files/{name}"
    answer = client.json(url)
    sizes = answer.get("hdri") if isinstance(answer, dict) else None
    if not isinstance(sizes, dict):
        raise BadAnswer(f"{url} lists no hdri files.", _REMEDY)
    entry = _step(sizes, resolution).get(suffix)
    if entry is None:
        return sorted((s for s in sizes if suffix in _step(sizes, s)), key=lambda s: (len(s), s))
    url_there, size, md5 = (entry.get(k) if isinstance(entry, dict) else None for k in ("url", "size", "md5"))
    if type(size) is not int or size < 1 or not isinstance(md5, str) or not _MD5.fullmatch(md5):
        raise BadAnswer(f"{url} states no size and checksum for {resolution} {suffix}.", _REMEDY)
    return SkyFile(check_url(url_there, client.plain_http), size, md5)


def _step(sizes: dict[str, Any], resolution: str) -> dict[str, Any]:
    formats = sizes.get(resolution)
    return formats if isinstance(formats, dict) else {}
