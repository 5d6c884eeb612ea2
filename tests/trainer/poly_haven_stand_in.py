"""A server on this machine that answers as Poly Haven's interface is documented to, and a clock that waiting moves."""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from trainer.captures.fetch.fetch import add_arguments, run

INTERVAL_S = 0.75
Reply = Callable[["Handler"], None]


class SteadyTime:
    """A clock that only waiting moves, so that no test waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.now_s += seconds


class StandIn:
    """The interface's documented answers for made panoramas, and scripted faults before them."""

    def __init__(self, port: int, time: SteadyTime) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.time = time
        self.assets: dict[str, Any] = {}
        self.files: dict[str, Any] = {}
        self.bodies: dict[str, bytes] = {}
        self.filters = True
        self.scripts: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, str | None, float]] = []
        self.agents: set[str | None] = set()

    def add(self, name: str, categories: tuple[str, ...] = ("skies", "outdoor"), resolutions: str = "1k 2k") -> bytes:
        """A panorama; its 1k .hdr content is returned."""
        formats: dict[str, Any] = {}
        for resolution in resolutions.split():
            for suffix in ("hdr", "exr"):
                path = f"/d/{name}_{resolution}.{suffix}"
                body = hashlib.shake_128(path.encode()).digest(200_000 if suffix == "hdr" else 1000)
                self.bodies[path] = body
                entry = {"url": self.url + path, "size": len(body), "md5": hashlib.md5(body).hexdigest()}
                formats.setdefault(resolution, {})[suffix] = entry
        self.assets[name] = {"name": name.title(), "type": 0, "categories": list(categories)}
        self.files[name] = {"hdri": formats, "tonemapped": {"url": self.url + "/t.jpg"}}
        return self.bodies.get(f"/d/{name}_1k.hdr", b"")

    def script(self, path: str, *replies: Reply) -> None:
        self.scripts.setdefault(path, []).extend(replies)

    def paths(self, begin: str = "/") -> list[str]:
        return [path for path, _, _ in self.asked if path.startswith(begin)]

    def ranges(self) -> list[str | None]:
        return [wanted for path, wanted, _ in self.asked if path.startswith("/d/")]


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        server, parts = self.stand_in, urlsplit(self.path)
        server.asked.append((parts.path, self.headers["Range"], server.time.now_s))
        server.agents.add(self.headers["User-Agent"])
        if replies := server.scripts.get(parts.path):
            replies.pop(0)(self)
        elif parts.path == "/assets":
            query = parse_qs(parts.query)
            wanted = set(query["categories"][0].split(","))
            assert query["type"] == ["hdris"]
            kept = {k: v for k, v in server.assets.items() if not server.filters or wanted <= set(v["categories"])}
            self.reply(200, json.dumps(kept).encode())
        elif parts.path.startswith("/files/"):
            self.reply(200, json.dumps(server.files[parts.path.removeprefix("/files/")]).encode())
        else:
            self.send_body(parts.path)

    def send_body(self, path: str) -> None:
        body = self.stand_in.bodies[path]
        if (wanted := self.headers["Range"]) is None:
            return self.reply(200, body)
        begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.reply(206, body[begin:], Content_Range=f"bytes {begin}-{len(body) - 1}/{len(body)}")


def status(code: int, **headers: str) -> Reply:
    return lambda handler: handler.reply(code, b"<html>no</html>", **headers)


def text(body: bytes) -> Reply:
    return lambda handler: handler.reply(200, body)


def cut_after(body: bytes, count: int) -> Reply:
    """The whole is announced, then the connection ends."""
    return lambda handler: handler.reply(200, body[:count], length=len(body))


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Bound(Handler):
        pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    Bound.stand_in = StandIn(httpd.server_address[1], SteadyTime())
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Bound.stand_in
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def fetch(server: StandIn, folder: Path, *words: str, sleep: Callable[[float], None] | None = None) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args([str(folder), "--api", server.url, "--interval-s", str(INTERVAL_S), *words])
    return run(arguments, sleep or server.time.sleep, server.time.clock)


def everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
