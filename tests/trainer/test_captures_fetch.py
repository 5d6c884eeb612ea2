"""``trainer fetch`` against a stand-in server on this machine: nothing unasked, nothing half, nothing impolite."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from skygen_addon.core.errors import CaptureError, OutputError, RequestError
from trainer.__main__ import COMMANDS, main
from trainer.captures.fetch.captures_table import note_origins
from trainer.captures.fetch.downloads import partial_path
from trainer.captures.fetch.fetch import FAULTS_IN_A_ROW, add_arguments, choose, run
from trainer.captures.fetch.polite_client import TRIES, BadAnswer, Unreachable, check_url, retry_after_s
from trainer.captures.origins import Origin, read_origins

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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
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


def test_downloads_what_the_server_holds_and_notes_where_it_comes_from(
    server: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bodies = {name: server.add(name) for name in ("kiara_1_dawn", "mud_road_puresky")}
    assert fetch(server, tmp_path, "--yes") == 0
    for name, body in bodies.items():
        assert (tmp_path / "polyhaven" / f"{name}_1k.hdr").read_bytes() == body
    assert everything(tmp_path) == [
        "CAPTURES.csv", "polyhaven/kiara_1_dawn_1k.hdr", "polyhaven/mud_road_puresky_1k.hdr",
    ]  # fmt: skip
    # What ingest makes of the table.
    assert read_origins(tmp_path) == {
        "polyhaven/kiara_1_dawn_1k.hdr": Origin("kiara_1_dawn", "CC0-1.0", "Poly Haven"),
        "polyhaven/mud_road_puresky_1k.hdr": Origin("mud_road", "CC0-1.0", "Poly Haven"),
    }
    root = Path(__file__).parents[2]
    version = tomllib.loads((root / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    assert server.agents == {f"SkyGen/{version} (trainer fetch)"}
    assert "2 panoramas, 0.4 MB" in caplog.text and "Powered by Poly Haven" in caplog.text


def test_requests_keep_their_distance(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    server.add("b")
    fetch(server, tmp_path, "--yes")
    starts = [at for _, _, at in server.asked]
    assert len(starts) == 5  # the list, and for each panorama its files and its content
    # The clock stands still but for waiting, so the distances are the interval itself, to float rounding.
    assert all(b - a == pytest.approx(INTERVAL_S) for a, b in zip(starts, starts[1:], strict=False))


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--dry-run", "--yes")])
def test_unasked_it_downloads_and_writes_nothing(
    server: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture, words: tuple[str, ...]
) -> None:
    caplog.set_level(logging.INFO)
    server.add("a")
    server.add("b")
    assert fetch(server, tmp_path / "new", *words) == 0
    assert not server.paths("/d/") and not (tmp_path / "new").exists()
    assert "2 panoramas, 0.4 MB to download" in caplog.text and "CC0-1.0" in caplog.text and "--yes" in caplog.text


def test_a_second_run_asks_for_the_list_only_and_leaves_the_table_alone(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    server.add("b")
    fetch(server, tmp_path, "--yes")
    table = tmp_path / "CAPTURES.csv"
    before, server.asked = table.stat().st_mtime_ns, []
    assert fetch(server, tmp_path, "--yes") == 0
    assert server.paths() == ["/assets"]
    assert table.stat().st_mtime_ns == before


def test_a_file_whose_row_was_lost_gets_it_back(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    fetch(server, tmp_path, "--yes")
    (tmp_path / "CAPTURES.csv").unlink()
    fetch(server, tmp_path, "--yes")
    assert set(read_origins(tmp_path)) == {"polyhaven/a_1k.hdr"}


def test_goes_on_after_a_cut_connection(server: StandIn, tmp_path: Path) -> None:
    body = server.add("a")
    server.script("/d/a_1k.hdr", cut_after(body, 70_000))
    assert fetch(server, tmp_path, "--yes") == 0
    assert (tmp_path / "polyhaven/a_1k.hdr").read_bytes() == body
    assert server.ranges() == [None, "bytes=70000-"]


def test_an_interrupted_run_loses_nothing(server: StandIn, tmp_path: Path) -> None:
    body = server.add("a")
    server.script("/d/a_1k.hdr", cut_after(body, 70_000))

    def interrupt(seconds: float) -> None:
        if server.paths("/d/"):
            raise KeyboardInterrupt
        server.time.sleep(seconds)

    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, "--yes", sleep=interrupt)
    assert not (tmp_path / "polyhaven/a_1k.hdr").exists()
    fetch(server, tmp_path, "--yes")
    assert (tmp_path / "polyhaven/a_1k.hdr").read_bytes() == body
    assert server.ranges() == [None, "bytes=70000-"]
    assert everything(tmp_path) == ["CAPTURES.csv", "polyhaven/a_1k.hdr"]


def elsewhere(handler: Handler) -> None:
    handler.reply(206, b"x" * 10, Content_Range="bytes 5-14/200000")


@pytest.mark.parametrize(
    ("reply", "requests"),
    [
        pytest.param(text, 2, id="ignores the range"),
        pytest.param(lambda body: status(416), 3, id="refuses the range"),
        pytest.param(lambda body: elsewhere, 3, id="answers another range"),
    ],
)
def test_a_server_that_does_not_resume_gets_asked_anew(
    server: StandIn, tmp_path: Path, reply: Callable[[bytes], Reply], requests: int
) -> None:
    body = server.add("a")
    server.script("/d/a_1k.hdr", cut_after(body, 70_000), reply(body))
    assert fetch(server, tmp_path, "--yes") == 0
    assert (tmp_path / "polyhaven/a_1k.hdr").read_bytes() == body
    assert len(server.paths("/d/")) == requests


@pytest.mark.parametrize("count", [70_000, 200_000, 300_000])
def test_a_damaged_part_of_an_earlier_run_is_thrown_away(server: StandIn, tmp_path: Path, count: int) -> None:
    body = server.add("a")
    path = tmp_path / "polyhaven/a_1k.hdr"
    path.parent.mkdir()
    partial_path(path, hashlib.md5(body).hexdigest()).write_bytes(b"x" * count)
    assert fetch(server, tmp_path, "--yes") == 0
    assert path.read_bytes() == body
    assert everything(tmp_path) == ["CAPTURES.csv", "polyhaven/a_1k.hdr"]


def test_a_wrong_checksum_fails_that_file_only(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    good = server.add("b")
    server.files["a"]["hdri"]["1k"]["hdr"]["md5"] = "0" * 32
    with pytest.raises(BadAnswer, match="1 of 2 panoramas failed.*a_1k.hdr.*checksum"):
        fetch(server, tmp_path, "--yes")
    assert everything(tmp_path) == ["CAPTURES.csv", "polyhaven/b_1k.hdr"]
    assert (tmp_path / "polyhaven/b_1k.hdr").read_bytes() == good
    assert set(read_origins(tmp_path)) == {"polyhaven/b_1k.hdr"}


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65_536)
    except OSError:  # the client hung up, as it should
        pass


@pytest.mark.parametrize("reply", [text(b"<html>please log in</html>"), endless], ids=["a page", "endless"])
def test_a_body_of_another_size_is_not_kept(server: StandIn, tmp_path: Path, reply: Reply) -> None:
    server.add("a")
    server.script("/d/a_1k.hdr", reply)
    with pytest.raises(BadAnswer, match="bytes"):
        fetch(server, tmp_path, "--yes")
    assert everything(tmp_path) == []


def test_a_changed_server_is_not_asked_for_everything(server: StandIn, tmp_path: Path) -> None:
    for index in range(FAULTS_IN_A_ROW + 3):
        server.add(f"a{index}")
        server.files[f"a{index}"] = {"panorama": {}}
    with pytest.raises(BadAnswer):
        fetch(server, tmp_path, "--yes")
    assert len(server.paths("/files/")) == FAULTS_IN_A_ROW


def test_waits_as_long_as_the_server_asks(server: StandIn, tmp_path: Path) -> None:
    body = server.add("a")
    server.script("/files/a", status(429, Retry_After="77"))
    assert fetch(server, tmp_path, "--yes") == 0
    assert (tmp_path / "polyhaven/a_1k.hdr").read_bytes() == body
    first, second = (at for path, _, at in server.asked if path == "/files/a")
    assert second - first >= 77


def test_a_pause_too_long_is_told_instead_of_waited(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    server.script("/files/a", status(429, Retry_After="7200"))
    with pytest.raises(Unreachable, match="120 minutes"):
        fetch(server, tmp_path, "--yes")
    assert sum(server.time.waits_s) < 10


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_that_keeps_failing_is_given_up(server: StandIn, tmp_path: Path, code: int) -> None:
    server.add("a")
    server.script("/d/a_1k.hdr", *[status(code)] * 50)
    with pytest.raises(Unreachable, match=f"answers {code}, {TRIES} times"):
        fetch(server, tmp_path, "--yes")
    assert len(server.paths("/d/")) == TRIES
    assert [w for w in server.time.waits_s if w > INTERVAL_S] == [2, 4, 8, 16, 32]
    assert everything(tmp_path) == []


def test_a_short_fault_of_the_server_is_outlived(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    server.script("/assets", status(502))
    server.script("/files/a", status(500), cut_after(b"{}" * 99, 3))
    assert fetch(server, tmp_path, "--yes") == 0


@pytest.mark.parametrize(
    "answer",
    [b"<html>login</html>", b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": 3}', b'{"a": {}}'],
    ids=lambda answer: repr(answer[:12]),
)
def test_a_list_that_is_none_is_refused(server: StandIn, tmp_path: Path, answer: bytes) -> None:
    server.script("/assets", text(answer))
    with pytest.raises(BadAnswer) as caught:
        fetch(server, tmp_path, "--yes")
    assert caught.value.remedy and server.url in caught.value.message
    assert everything(tmp_path) == []


HDR = {"url": "https://x.org/a", "size": 9, "md5": "0" * 32}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"hdri": 3},
        {"hdri": {"1k": {"hdr": "x"}}},
        {"hdri": {"1k": {"hdr": {"url": "https://x.org/a", "md5": "0" * 32}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "size": True}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "size": -1}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "size": "9"}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "md5": "../../x"}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "url": None}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "url": "file:///etc/passwd"}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "url": "ftp://x.org/a"}}}},
        {"hdri": {"1k": {"hdr": {**HDR, "url": "/etc/passwd"}}}},
    ],
    ids=lambda answer: json.dumps(answer)[-40:],
)
def test_files_without_a_sound_description_are_refused(server: StandIn, tmp_path: Path, answer: object) -> None:
    server.add("a")
    server.files["a"] = answer
    for words in (["--dry-run"], ["--yes"]):
        with pytest.raises(BadAnswer):
            fetch(server, tmp_path, *words)
    assert everything(tmp_path) == [] and not server.paths("/d/")


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "/etc/x", "a/b", "..\\x", "C:x", "", "a\0b", "a b", "a\n", "ä", "x" * 51]
)
def test_names_that_are_no_plain_file_names_are_refused(server: StandIn, tmp_path: Path, name: str) -> None:
    server.add("a")
    server.assets[name] = server.assets["a"]
    with pytest.raises(BadAnswer, match="names an asset"):
        fetch(server, tmp_path / "in", "--yes")
    assert everything(tmp_path) == [] and server.paths() == ["/assets"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/d/a_1k.hdr", "gopher:x"])
def test_redirects_in_a_loop_or_away_from_the_web_are_refused(server: StandIn, tmp_path: Path, target: str) -> None:
    server.add("a")
    server.script("/d/a_1k.hdr", *[status(302, Location=target)] * 50)
    with pytest.raises(BadAnswer, match="redirects|address"):
        fetch(server, tmp_path, "--yes")
    assert everything(tmp_path) == []


def test_a_redirect_to_another_place_is_followed(server: StandIn, tmp_path: Path) -> None:
    body = server.add("a")
    server.bodies["/d/moved"] = body
    server.script("/d/a_1k.hdr", status(301, Location="/d/moved"))
    assert fetch(server, tmp_path, "--yes") == 0
    assert (tmp_path / "polyhaven/a_1k.hdr").read_bytes() == body
    assert len(server.agents) == 1


@pytest.mark.parametrize(
    "url", ["http://x.org/a", "file:///x", "https:///x", "https://x.org:port/", "https://x.org/a b", "https://[x/", 3]
)
def test_only_https_addresses_are_opened(url: object) -> None:
    with pytest.raises(BadAnswer):
        check_url(url, plain_http=False)
    assert check_url("https://dl.polyhaven.org/a.hdr", plain_http=False) == "https://dl.polyhaven.org/a.hdr"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("12", 12),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("-5", 0),
        ("soon", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float) -> None:
    assert retry_after_s(value, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("filters", [True, False], ids=["server filters", "server does not"])
def test_only_the_wanted_categories(server: StandIn, tmp_path: Path, filters: bool) -> None:
    server.filters = filters
    server.add("night", ("skies", "night"))
    server.add("noon", ("skies", "clear"))
    server.add("wood", ("nature", "clear"))
    server.add("cloth", ("skies", "clear"))
    if not filters:
        server.assets["cloth"]["type"] = 1  # a texture
    assert fetch(server, tmp_path, "--yes", "--categories", "skies, clear") == 0
    wanted = ["noon"] if not filters else ["cloth", "noon"]
    assert everything(tmp_path) == ["CAPTURES.csv", *(f"polyhaven/{n}_1k.hdr" for n in wanted)]


def test_no_such_category_is_told(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    with pytest.raises(RequestError, match="skyes.*categories/hdris"):
        fetch(server, tmp_path, "--yes", "--categories", "skyes")


def test_panoramas_without_the_resolution_are_reported_and_left_out(
    server: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.add("small", resolutions="1k 2k")
    server.add("large", resolutions="1k 2k 16k")
    assert fetch(server, tmp_path, "--yes", "--resolution", "16K", "--format", "exr") == 0
    assert everything(tmp_path) == ["CAPTURES.csv", "polyhaven/large_16k.exr"]
    assert "small: no 16k exr, only 1k, 2k" in caplog.text
    with pytest.raises(RequestError, match="24k"):
        fetch(server, tmp_path, "--yes", "--resolution", "24k")


def test_limits_count_by_name_and_by_site(server: StandIn, tmp_path: Path) -> None:
    names = ["a", "a_puresky", "b", "c_puresky"]
    assert choose(names, None, None) == names
    assert choose(names, 3, None) == ["a", "a_puresky", "b"]
    assert choose(names, None, 1) == ["a", "b", "c_puresky"]
    assert choose(names, 2, 1) == ["a", "b"]
    for name in names:
        server.add(name)
    fetch(server, tmp_path, "--yes", "--limit", "2", "--site-limit", "1")
    assert everything(tmp_path)[1:] == ["polyhaven/a_1k.hdr", "polyhaven/b_1k.hdr"]


def test_the_table_keeps_what_others_wrote(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    server.add("b")
    table = tmp_path / "CAPTURES.csv"
    table.write_text(
        'site,file,camera,licence\nmine,own/"odd"\nhill,"own/b,c.hdr","Canon, 8 mm",CC-BY-4.0\n'
        "joined,polyhaven/b_1k.hdr,,\n\n",
        encoding="utf-8-sig",
    )
    fetch(server, tmp_path, "--yes")
    assert table.read_text(encoding="utf-8").splitlines() == [
        "site,file,camera,licence,origin",
        'mine,"own/""odd"""',
        'hill,"own/b,c.hdr","Canon, 8 mm",CC-BY-4.0',
        "joined,polyhaven/b_1k.hdr,,CC0-1.0,Poly Haven",
        "",
        "a,polyhaven/a_1k.hdr,,CC0-1.0,Poly Haven",
    ]
    assert read_origins(tmp_path)["polyhaven/b_1k.hdr"] == Origin("joined", "CC0-1.0", "Poly Haven")


@pytest.mark.parametrize("content", [b"file;site\na;b\n", b"\xff\xfef\0", b"site\n"])
def test_a_table_that_cannot_be_kept_is_told_before_any_request(
    server: StandIn, tmp_path: Path, content: bytes
) -> None:
    server.add("a")
    (tmp_path / "CAPTURES.csv").write_bytes(content)
    with pytest.raises(CaptureError, match="CAPTURES.csv"):
        fetch(server, tmp_path, "--yes")
    assert server.asked == [] and (tmp_path / "CAPTURES.csv").read_bytes() == content


def test_noting_the_same_twice_is_noting_it_once(tmp_path: Path) -> None:
    rows = [("x.hdr", Origin("x", None, "me")), ("y.hdr", Origin("y", "CC0-1.0", None))]
    note_origins(tmp_path, rows)
    note_origins(tmp_path, rows[::-1])
    assert (tmp_path / "CAPTURES.csv").read_bytes() == b"file,site,licence,origin\nx.hdr,x,,me\ny.hdr,y,CC0-1.0,\n"


def test_a_folder_that_is_none_is_told(server: StandIn, tmp_path: Path) -> None:
    server.add("a")
    (tmp_path / "in").write_text("not a folder")
    with pytest.raises(OutputError):
        fetch(server, tmp_path / "in", "--yes")
    assert not server.paths("/d/")


@pytest.mark.parametrize(
    "words",
    [
        ("--resolution", "1024"),
        ("--resolution", "../1k"),
        ("--limit", "0"),
        ("--site-limit", "-1"),
        ("--interval-s", "0.1"),
        ("--interval-s", "nan"),
        ("--categories", " , "),
        ("--api", "http://api.polyhaven.com"),
        ("--api", "file:///x"),
        ("--api", "http://[::1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(server: StandIn, tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(RequestError):
        fetch(server, tmp_path, "--yes", *words)
    assert server.asked == []


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(COMMANDS, "fetch", ("trainer.captures.fetch.fetch.run", "fetch"))


@pytest.mark.usefixtures("command")
def test_without_a_network_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused at once
        port = closed.getsockname()[1]
        assert main(["fetch", str(tmp_path), "--yes", "--api", f"http://127.0.0.1:{port}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "cannot be reached" in lines[0] and "Check the connection" in lines[0]
    assert everything(tmp_path) == []


@pytest.mark.usefixtures("command")
def test_a_page_instead_of_an_answer_is_exit_code_2(
    server: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script("/assets", text(b"<html>\n<body>Welcome to the airport</body>"))
    assert main(["fetch", str(tmp_path), "--api", server.url]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "<html> <body>Welcome" in lines[0] and "login page" in lines[0]
