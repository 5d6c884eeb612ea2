"""The report: pages of HTML that need nothing else, for a person to scan what was kept and why.

``DATA/report.html`` opens with the counts; cards follow, rejected captures first by reason. More than
PER_PAGE captures go on to ``report-002.html`` and so on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from skygen_addon.core.whole_file import whole_file
from trainer.captures.curation.pictures import capture_pictures
from trainer.captures.curation.report_cards import card
from trainer.captures.curation.report_style import POLICY, SCRIPT, STYLE
from trainer.captures.curation.report_summary import summary
from trainer.captures.curation.verdict_words import REASON_WORDS
from trainer.captures.items import is_sky

PER_PAGE = 300
"""Captures on one page, about 12 MB."""


def _group(entry: dict[str, Any]) -> str:
    return "keep" if entry["verdict"] == "keep" else str(entry["reason"])


def in_report_order(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the manifest as a person looks at them: rejected first, by reason, then kept; by file within."""
    reasons = list(REASON_WORDS)

    def place(entry: dict[str, Any]) -> tuple[int, str, str]:
        group = _group(entry)
        rank = len(reasons) + 1 if group == "keep" else reasons.index(group) if group in reasons else len(reasons)
        return rank, group, entry["file"]

    return sorted(entries, key=place)


def _page_name(number: int) -> str:
    return "report.html" if number == 0 else f"report-{number + 1:03d}.html"


def _page_links(number: int, pages: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Links to all pages, each with the verdicts that are on it."""
    if len(pages) == 1:
        return ""
    parts = []
    for other, entries in enumerate(pages):
        groups = dict.fromkeys(_group(e) for e in entries)
        words = escape(f"{other + 1}: {', '.join(g.replace('_', ' ') for g in groups)}")
        parts.append(f'<span aria-current="page">{words}</span>' if other == number else
                     f'<a href="{_page_name(other)}">{words}</a>')  # fmt: skip
    return f'<nav class="pages" aria-label="Pages">{"".join(parts)}</nav>'


def _filter_bar(entries: Sequence[dict[str, Any]]) -> str:
    """Buttons for the verdicts and flags on a page, and the search field."""
    counts = Counter(_group(e) for e in entries)
    rejected = sum(count for group, count in counts.items() if group != "keep")
    buttons = [("all", "all", len(entries))]
    if rejected:
        buttons.append(("reject", "rejected", rejected))
    buttons += [(group, "kept" if group == "keep" else group.replace("_", " "), n) for group, n in counts.items()]
    flags = Counter(flag for e in entries for flag in e["flags"])
    buttons += [(flag, f"flag {flag.replace('_', ' ')}", n) for flag, n in flags.most_common(8)]
    made = "".join(
        f'<button type="button" data-show="{escape(value)}" aria-pressed="{str(value == "all").lower()}">'
        f"{escape(word)} {count}</button>"
        for value, word, count in buttons
    )
    return (
        f'<div class="filter" role="group" aria-label="Filter this page">{made}'
        '<input id="search" type="search" placeholder="part of a name" aria-label="Part of a file name">'
        '<span id="count" class="soft" role="status"></span></div>'
    )


def _write_page(
    stream: TextIO,
    data: Path,
    top: str,
    links: str,
    entries: Sequence[dict[str, Any]],
    by_file: Mapping[str, dict[str, Any]],
) -> None:
    """One page, card by card."""
    stream.write(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Captures: {escape(data.resolve().name)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>Captures in {escape(data.resolve().name)}</h1>"
        '<p class="soft">Orange circles show where the sun was found. Discs: zenith in the middle, north up, '
        "east to the right; darkened where it is no sky.</p></header>"
        f"<main>{top}{links}{_filter_bar(entries)}\n"
    )
    for group, members in groupby(entries, key=_group):
        listed = list(members)
        title = "Kept" if group == "keep" else f"Rejected: {group.replace('_', ' ')}"
        stream.write(
            f'<section data-group="{escape(group)}" id="{escape(group)}"><h2>{escape(title)} '
            f'<span class="soft">({len(listed)})</span></h2><div class="cards">\n'
        )
        for entry in listed:
            original = by_file.get(entry["state"].get("duplicate_of", "")) if group == "duplicate" else None
            beside = capture_pictures(data, original) if original else None
            stream.write(card(entry, capture_pictures(data, entry), data, beside))
        stream.write("</div></section>\n")
    stream.write(f"{links}</main><script>{SCRIPT}</script></body></html>\n")


def report_pages(data: Path, entries: list[dict[str, Any]]) -> Iterator[Path]:
    """Write the report on all lines of a manifest; each page as soon as it is there, the first one first.

    Pages of an earlier, longer report are removed at the end.

    Parameters
    ----------
    data : Path
        Folder of the training data.
    entries : list of dict
        Lines of the manifest, in any order. Exposures of a bracket are named on the card of their capture,
        frames of time-lapse days are summed up by day.

    Yields
    ------
    Path
        A page.

    Raises
    ------
    OutputError
        If a page cannot be written; it is then as it was.
    """
    skies = in_report_order([e for e in entries if is_sky(e)])
    frames = [e for e in entries if "timelapse" in e["flags"]]
    pages = [skies[start : start + PER_PAGE] for start in range(0, len(skies), PER_PAGE)] or [[]]
    by_file = {e["file"]: e for e in skies}
    links: dict[str, str] = {}
    for number, page in enumerate(pages):
        for entry in page:
            group = _group(entry)
            links.setdefault(group, f"{_page_name(number) if number else ''}#{group}")
    for number, page in enumerate(pages):
        top = summary(skies, frames, links) if number == 0 else ""
        path = data / _page_name(number)
        # a name that is no valid text (a file name in another encoding) must not stop the report
        with (
            whole_file(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream,
        ):
            _write_page(stream, data, top, _page_links(number, pages), page, by_file)
        yield path
    written = {_page_name(number) for number in range(len(pages))}
    for stale in data.glob("report-[0-9]*.html"):
        if stale.name not in written:
            stale.unlink()
