"""Downloads that go on where they were cut and appear under their name only when their checksum is right."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from skygen_addon.core.whole_file import output_error
from trainer.captures.fetch.polite_client import BadAnswer, PoliteClient, Refused, Transient

BLOCK = 1 << 16
"""Bytes that are read and written at once."""


def partial_path(path: Path, md5: str) -> Path:
    """Where the beginning of a file waits for the rest; another content has another name."""
    return path.with_name(f".{path.name}.{md5[:8].lower()}.part")


def download(client: PoliteClient, url: str, path: Path, size_bytes: int, md5: str) -> None:
    """Fetch a file, from where an earlier call left off.

    Whatever happens, interruption included, ``path`` holds the whole, checked file or is as it
    was; what has arrived waits under :func:`partial_path`.

    Parameters
    ----------
    client : PoliteClient
    url : str
    path : Path
        Where the file goes, in a folder that exists.
    size_bytes : int
        Size that the server stated, at least 1.
    md5 : str
        Checksum that it stated, 32 hexadecimal digits. It finds faults of transmission; that
        the content is the publisher's rests on https.

    Raises
    ------
    BadAnswer
        The server's file has another size, or twice another checksum; nothing of it is kept.
    Unreachable
        It could not be had within the tries; what has arrived is kept.
    OutputError
        It cannot be written.
    """
    partial = partial_path(path, md5)
    for last in (False, True):
        client.persist(lambda: _fetch_rest(client, url, partial, size_bytes))
        try:
            if _file_md5(partial) == md5.lower():
                os.replace(partial, path)
                for stale in path.parent.glob(f".{path.name}.*.part"):
                    stale.unlink()
                return
            partial.unlink()  # a part from an earlier run may be to blame: once more from the beginning
        except OSError as error:
            raise output_error(path, error) from error
        if last:
            raise BadAnswer(
                f"{path.name} arrives with another checksum than the server states.",
                "Run the command again later; if it stays, report the file there.",
            )


def _fetch_rest(client: PoliteClient, url: str, partial: Path, size_bytes: int) -> None:
    """One request for what is missing; raises Transient if something still is."""
    try:
        have = partial.stat().st_size if partial.is_file() else 0
        if have > size_bytes:
            partial.unlink()
            have = 0
        if have < size_bytes:
            _append(client, url, partial, have, size_bytes)
    except OSError as error:
        raise output_error(partial, error) from error


def _append(client: PoliteClient, url: str, partial: Path, have: int, size_bytes: int) -> None:
    host = urlsplit(url).netloc
    try:
        response = client.open_once(url, {"Range": f"bytes={have}-"} if have else {})
    except Refused as refusal:
        if refusal.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            partial.unlink()
            raise Transient(f"{host} does not go on with {partial.name}") from None
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        if resumed and not (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
            partial.unlink(missing_ok=True)
            raise Transient(f"{host} goes on with {partial.name} at another place")
        got = have if resumed else 0  # a server that ignores Range sends everything anew
        if response.length is not None and got + response.length != size_bytes:
            partial.unlink(missing_ok=True)
            raise _wrong_size(url, got + response.length, size_bytes)
        with partial.open("ab" if resumed else "wb") as stream:
            for block in _blocks(response, host):
                got += len(block)
                if got > size_bytes:
                    break
                stream.write(block)
    if got > size_bytes:
        partial.unlink()
        raise _wrong_size(url, got, size_bytes)
    if got < size_bytes:
        raise Transient(f"The connection to {host} was cut")


def _blocks(response: http.client.HTTPResponse, host: str) -> Iterator[bytes]:
    """Blocks of a body; a network fault becomes Transient, so that it is not taken for a fault of the disk."""
    while True:
        try:
            block = response.read(BLOCK)
        except (OSError, http.client.HTTPException):
            raise Transient(f"The connection to {host} was cut") from None
        if not block:
            return
        yield block


def _wrong_size(url: str, got: int, size_bytes: int) -> BadAnswer:
    return BadAnswer(
        f"{url} holds {got} bytes or more, where {size_bytes} were stated.",
        "Run the command again later; if it stays, report the file there.",
    )


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
