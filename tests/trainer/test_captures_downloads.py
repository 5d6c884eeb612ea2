"""Downloads of ``trainer fetch`` from a server with faults: nothing half, nothing impolite, nothing unsafe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.trainer.poly_haven_stand_in import (
    INTERVAL_S,
    Handler,
    Reply,
    StandIn,
    cut_after,
    everything,
    fetch,
    stand_in,
    status,
    text,
)
from trainer.captures.fetch.downloads import partial_path
from trainer.captures.fetch.fetch import FAULTS_IN_A_ROW
from trainer.captures.fetch.polite_client import TRIES, BadAnswer, Unreachable, check_url, retry_after_s
from trainer.captures.origins import read_origins


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server of its own for each test."""
    yield from stand_in(monkeypatch)


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
