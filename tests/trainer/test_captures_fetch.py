"""``trainer fetch`` against a stand-in server: nothing unasked, what is chosen, and where it is noted."""

from __future__ import annotations

import logging
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from skygen_addon.core.errors import CaptureError, OutputError, RequestError
from tests.trainer.poly_haven_stand_in import (
    INTERVAL_S,
    StandIn,
    everything,
    fetch,
    stand_in,
    text,
)
from trainer.__main__ import COMMANDS, main
from trainer.captures.fetch.captures_table import note_origins
from trainer.captures.fetch.fetch import choose
from trainer.captures.origins import Origin, read_origins


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server of its own for each test."""
    yield from stand_in(monkeypatch)


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
