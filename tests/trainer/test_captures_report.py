"""The report and the sheets: every capture is there once, no name can break a page, commands work as shown."""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import logging
import os
import re
import shlex
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skygen_addon.core.geometry import disc_directions, panorama_directions
from skygen_addon.core.measuring.verdict import REASONS
from trainer.__main__ import main
from trainer.captures import curate
from trainer.captures.curation import report
from trainer.captures.curation.contact_sheet import CELL, verdict_cell
from trainer.captures.curation.pictures import DISC_PIXELS, VIEW_SIZE, capture_pictures, tone_map
from trainer.captures.curation.report import in_report_order, report_pages
from trainer.captures.curation.report_summary import histogram
from trainer.captures.curation.verdict_words import REASON_WORDS
from trainer.captures.items import item_path
from trainer.captures.manifest import write_manifest

EVIL = """odd/<script>alert("1")</script> & 'quoted' "name" ünïcode 雲.hdr"""
SUN = {"azimuth_deg": 120.0, "elevation_deg": 40.0}


class Page(HTMLParser):
    """What a browser makes of a page: its elements, with balanced tags, and its cards."""

    VOID = frozenset({"meta", "img", "input", "rect", "circle", "line"})

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.count: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.cards: list[dict[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "article":
            self.cards.append({"text": "", **{name: value or "" for name, value in attrs}})
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "article" in self.open:
            self.cards[-1]["text"] += data

    def of(self, tag: str, name: str) -> list[str]:
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def line(file: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    state = {"message": "It is empty."} if reason == "unreadable" else {"cover": 0.25, "overcast": False, "scale": 0.5}
    sha256 = "" if reason == "unreadable" else hashlib.sha256(file.encode("utf-8", "surrogateescape")).hexdigest()
    entry = {"file": file, "sha256": sha256, "site": "a_site", "licence": "CC0-1.0", "source": None}
    entry |= {"width": 1024, "height": 512, "verdict": "reject" if reason else "keep", "reason": reason, "flags": []}
    return entry | {"sun": None if reason else SUN, "state": state, **more}


def sky_item(data: Path, entry: dict[str, Any]) -> None:
    """An item whose pictures have one bright spot, where the sun is."""
    sun = np.array([np.sin(np.deg2rad(120)), np.cos(np.deg2rad(120)), np.tan(np.deg2rad(40))])
    sun /= np.linalg.norm(sun)
    disc = np.where(disc_directions(320) @ sun > np.cos(0.05), 30.0, 0.2)[..., None] * np.ones(3)
    panorama = np.where(panorama_directions(512) @ sun > np.cos(0.05), 255, 60)[..., None] * np.ones(3)
    stream = io.BytesIO()
    Image.fromarray(panorama.astype(np.uint8)).save(stream, format="JPEG", quality=95)
    arrays = {"thumbnail": disc.astype(np.float16), "thumbnail_sky": np.ones((320, 320), bool)}
    (data / "items").mkdir(exist_ok=True)
    np.savez_compressed(
        item_path(data, entry["sha256"]), preview=np.frombuffer(stream.getvalue(), np.uint8), **arrays
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "my <data>"
    folder.mkdir()
    return folder


@pytest.fixture
def entries(data: Path) -> list[dict[str, Any]]:
    listed = [
        line("b_kept.hdr"),
        line("a_kept.hdr", flags=["sun_clipped", "same_sky"]),
        line(EVIL, "unreadable"),
        line("bad\udce9name.exr", "not_panorama", state={"message": "300x300 is not 2:1."}),
        line("night.hdr", "night"),
        line("copy.hdr", "duplicate", state={"cover": 0.2, "duplicate_of": "b_kept.hdr", "duplicate_distance": 0.031}),
        line("--odd.hdr", "graded", flags=["override"]),
        line("stack_1.jpg", flags=["bracket_member"], state={"merged_into": "b_kept.hdr"}),
    ]
    listed += [line(f"days/one/{n:03d}.jpg", "night" if n < 3 else None, flags=["timelapse"]) for n in range(40)]
    sky_item(data, listed[0])
    return listed


def test_every_capture_has_one_card_and_nothing_comes_from_elsewhere(data: Path, entries: list[dict]) -> None:
    (path,) = list(report_pages(data, entries))
    page = Page(path)
    named = [card["data-name"] for card in page.cards]
    expected = [e["file"] for e in in_report_order(entries) if not {"timelapse", "bracket_member"} & set(e["flags"])]
    assert named == [f.lower().replace("\udce9", "\\udce9") for f in expected]  # what is no text is shown by its code
    assert [e["reason"] for e in in_report_order(entries[:7])][-2:] == [None, None]  # what is kept comes last
    assert page.count["script"] == 1 and page.count["style"] == 1 and not page.count["link"]
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.of("img", "src"))
    assert all(address.startswith("#") for address in page.of("a", "href"))
    assert set(page.of("a", "href")) == {f"#{name}" for name in page.of("section", "id")}
    text = path.read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text and "@import" not in text and "url(" not in text
    assert all(alt for alt in page.of("img", "alt"))  # every picture says what it is
    days = re.search(r"days/one</td>(.*?)</tr>", text)
    assert days and re.findall(r">([^<>]+)<", days[1])[:3] == ["40", "37", "3 night"]


def test_cards_say_what_was_found_and_how_to_overrule_it(data: Path, entries: list[dict]) -> None:
    page = Page(list(report_pages(data, entries))[0])
    cards = {card["data-name"]: card["text"] for card in page.cards}
    assert REASON_WORDS["night"].meaning in cards["night.hdr"] and REASON_WORDS["night"].remedy in cards["night.hdr"]
    assert "Copy of b_kept.hdr (distance 0.031)" in cards["copy.hdr"] and "the original" in cards["copy.hdr"]
    assert "sun 120.0° from north, 40.0° high" in cards["b_kept.hdr"] and "cover 0.25" in cards["b_kept.hdr"]
    assert "exposure -1.0 EV" in cards["b_kept.hdr"]  # a factor of one half
    assert "It is empty." in cards[EVIL.lower()] and "nothing to keep" in cards[EVIL.lower()]
    assert "Your verdict" in cards["--odd.hdr"]


def test_the_commands_shown_are_understood_as_meant(data: Path, entries: list[dict]) -> None:
    entries.append(line(EVIL.replace("odd", "dark"), "night"))
    entries.append(line(EVIL.replace("odd", "fine")))
    text = list(report_pages(data, entries))[0].read_text(encoding="utf-8")
    seen: dict[str, Any] = {}
    for shown in re.findall(r"<code>(.*?)</code>", text, re.S):
        words = shlex.split(unescape(shown))
        assert words[:4] == ["python", "-m", "trainer", "curate"]
        parser = argparse.ArgumentParser()
        curate.add_arguments(parser)
        asked = parser.parse_args(words[4:])
        assert asked.data == data
        seen |= {f: "keep" for f in asked.keep} | {f: "undo" for f in asked.undo}
        seen |= {f.removesuffix("=REASON"): "reject" for f in asked.reject}
    assert seen == {
        "night.hdr": "keep", "copy.hdr": "keep", EVIL.replace("odd", "dark"): "keep", "--odd.hdr": "undo",
        "a_kept.hdr": "reject", "b_kept.hdr": "reject", EVIL.replace("odd", "fine"): "reject",
    }  # fmt: skip


def test_the_circle_is_drawn_where_the_sun_shines(data: Path, entries: list[dict]) -> None:
    text = list(report_pages(data, [entries[0]]))[0].read_text(encoding="utf-8")
    found = re.findall(r'base64,([^"]+)".*?<circle class="ring" cx="([\d.]+)" cy="([\d.]+)"', text)
    assert len(found) == 2  # panorama and disc
    for picture, column, row in found:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert image.size in (VIEW_SIZE, (DISC_PIXELS, DISC_PIXELS))
            bright = np.argwhere(np.asarray(image.convert("L")) > 225)
        centre = bright.mean(axis=0) + 0.5
        # the spot's centre of area is not its centre on a map that stretches it: a pixel or so over 0.05 radian
        assert np.hypot(*(centre - [float(row), float(column)])) < 1.5


def test_the_contact_sheet_rings_the_sun_and_shows_unreadable_files_too(data: Path, entries: list[dict]) -> None:
    ringed, plain = verdict_cell(data, entries[0]), verdict_cell(data, {**entries[0], "sun": None})
    changed = np.argwhere((np.asarray(ringed)[:CELL] != np.asarray(plain)[:CELL]).any(axis=-1))
    bright = np.argwhere(np.asarray(plain.convert("L"))[:CELL] > 235)
    assert np.hypot(*(changed.mean(axis=0) - bright.mean(axis=0))) < 2  # ring and spot have one centre, to a pixel
    cells = [verdict_cell(data, entry) for entry in entries[:7]]
    assert len({cell.size for cell in cells}) == 1  # they fit one grid, with a picture or without


def test_pictures_are_made_once_and_again_when_the_item_changes(data: Path, entries: list[dict]) -> None:
    first = capture_pictures(data, entries[0])
    assert first is not None and first.view is not None
    (disc,) = (data / "pictures").glob("*.disc.jpg")
    made = disc.stat().st_mtime_ns
    assert capture_pictures(data, entries[0]) == first and disc.stat().st_mtime_ns == made
    item = item_path(data, entries[0]["sha256"])
    with np.load(item) as arrays:
        older = {name: arrays[name] for name in ("thumbnail", "thumbnail_sky")}
    np.savez(item, **older)  # an item without a preview
    os.utime(item, ns=(made + 10**9, made + 10**9))
    again = capture_pictures(data, entries[0])
    assert again is not None and again.view is None and again.disc == first.disc
    assert capture_pictures(data, entries[2]) is None


def test_tone_map_shows_the_median_grey_and_never_overflows() -> None:
    radiance = np.full((4, 4, 3), 0.37, np.float32)
    radiance[0, 0] = 1e30
    shown = tone_map(radiance)
    grey = round(255 * (1 - np.exp(-0.7)) ** (1 / 2.2))
    assert (shown[1:] == grey).all() and (shown[0, 0] == 255).all()


def test_long_reports_go_on_over_pages_and_leave_none_behind(
    data: Path, entries: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PER_PAGE", 10)
    many = [line(f"night_{n:02d}.hdr", "night") for n in range(14)] + [line(f"sky_{n:02d}.hdr") for n in range(11)]
    paths = list(report_pages(data, many))
    assert [p.name for p in paths] == ["report.html", "report-002.html", "report-003.html"]
    pages = [Page(p) for p in paths]
    assert [len(p.cards) for p in pages] == [10, 10, 5]
    assert sorted(c["data-name"] for p in pages for c in p.cards) == sorted(e["file"] for e in many)
    assert "report-002.html#keep" in pages[0].of("a", "href")  # where the first kept one is
    for page in pages:
        assert {a.partition("#")[0] for a in page.of("a", "href")} - {""} <= {p.name for p in paths}
    assert [p.name for p in list(report_pages(data, many[:3]))] == ["report.html"]
    assert [p.name for p in data.glob("report*.html")] == ["report.html"]
    assert len(list(report_pages(data, []))) == 1  # an empty folder has a report, too
    assert not list(data.glob(".*.tmp"))


def test_histograms_count_every_value() -> None:
    drawn = histogram("A <b>", [-5, 0, 9.99, 10, 90, 200], [45], list(range(0, 91, 10)), " degrees")
    counts = [(int(k), int(r)) for k, r in re.findall(r"(\d+) kept, (\d+) rejected</title>", drawn)]
    assert counts == [(3, 0), (1, 0), (0, 0), (0, 0), (0, 1), (0, 0), (0, 0), (0, 0), (2, 0)]
    assert "A &lt;b&gt;" in drawn and "<b>" not in drawn


def test_every_reason_has_its_words_and_is_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(REASON_WORDS) == set(REASONS)
    with pytest.raises(SystemExit):
        main(["curate", "--help"])
    told = capsys.readouterr().out
    assert all(reason in told for reason in REASONS)


def test_previews_are_exported_under_the_captures_names(data: Path, tmp_path: Path, caplog: Any) -> None:
    kept = [line("more/sky.hdr"), line("more/sky.exr"), line("gone.hdr")]
    for entry in kept[:2]:
        sky_item(data, entry)
    out = tmp_path / "ldr"
    assert curate.export_previews(data, kept, out) == 2
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == ["more/sky.exr.jpg", "more/sky.jpg"]
    with Image.open(out / "more" / "sky.jpg") as picture:
        assert picture.size == (512, 256)
    assert "gone.hdr: has no preview" in caplog.text


def test_sheets_are_paged_and_opacity_maps_of_many_are_drawn_only_when_asked(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(curate, "PER_SHEET", 4)
    monkeypatch.setattr(curate, "MAX_OPACITY_ROWS", 5)
    asked: list[str] = []

    def row(_: Path, entry: dict[str, Any]) -> Image.Image:
        asked.append(entry["file"])
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(curate, "opacity_row", row)
    caplog.set_level(logging.INFO)
    entries = {e["file"]: e for e in (line(f"{n}.hdr") for n in range(6))}
    curate.draw(data, entries, opacity=False)
    assert not asked and "--opacity" in caplog.text and not list(data.glob("opacity*"))
    curate.draw(data, entries, opacity=True)
    assert len(asked) == 6
    assert len(list(data.glob("contact_sheet-*.png"))) == 2
    curate.draw(data, dict(list(entries.items())[:3]), opacity=False)
    assert [p.name for p in data.glob("contact_sheet*.png")] == ["contact_sheet.png"]


def test_a_name_with_an_equals_sign_can_be_rejected(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_manifest(data, {"a=b.hdr": line("a=b.hdr", "unreadable")})
    assert main(["curate", str(data), "--reject", "a=b.hdr=night"]) == 0
    assert '"a=b.hdr"' in (data / "overrides.json").read_text()
    assert main(["curate", str(data), "--reject", "b.hdr"]) == 2
    assert "names no known reason" in capsys.readouterr().err
