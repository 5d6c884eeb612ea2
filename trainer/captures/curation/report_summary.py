"""The top of the report: counts by reason, site, licence and flag, histograms, and the time-lapse days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import PurePosixPath
from typing import Any

from trainer.captures.curation.verdict_words import FLAG_WORDS, reason_meaning

MAX_ROWS = 200
"""Most rows of a table of counts; the rest is summed up in one."""


def _table(title: str, rows: Iterable[tuple[str, int]], total: int | None = None) -> str:
    """Panel with a table of counts; names are escaped here."""
    listed = list(rows)
    shown, rest = listed[:MAX_ROWS], listed[MAX_ROWS:]
    body = "".join(f'<tr><td>{escape(n)}</td><td class="number">{c}</td></tr>' for n, c in shown)
    if rest:
        body += f'<tr><td>{len(rest)} more</td><td class="number">{sum(c for _, c in rest)}</td></tr>'
    if not listed:
        body = "<tr><td>none</td></tr>"
    heading = escape(title) + (f' <span class="soft">({total})</span>' if total is not None else "")
    return f'<div class="panel"><h2>{heading}</h2><div class="scroll"><table><tbody>{body}</tbody></table></div></div>'


def histogram(title: str, kept: Sequence[float], rejected: Sequence[float], edges: Sequence[float], unit: str) -> str:
    """Stacked histogram as inline SVG, kept captures below rejected ones.

    Parameters
    ----------
    title : str
        Heading.
    kept, rejected : sequence of float
        Values; one beyond the edges counts in the nearest bar.
    edges : sequence of float
        Rising borders of the bars.
    unit : str
        Written after the borders.
    """
    bars = len(edges) - 1
    counts = [[0] * bars, [0] * bars]
    for number, values in enumerate((kept, rejected)):
        for value in values:
            place = sum(value >= edge for edge in edges) - 1
            counts[number][min(max(place, 0), bars - 1)] += 1
    most = max((a + b for a, b in zip(*counts, strict=True)), default=0) or 1
    width, height, base = 320, 128, 96
    step = (width - 10) / bars
    drawn = []
    for bar, (inside, outside) in enumerate(zip(*counts, strict=True)):
        left, low, high = 5 + bar * step, 78 * inside / most, 78 * outside / most
        span = f"{edges[bar]:g} to {edges[bar + 1]:g}{unit}: {inside} kept, {outside} rejected"
        drawn.append(
            f"<g><title>{escape(span)}</title>"
            f'<rect class="bar" x="{left:.1f}" y="{base - low:.1f}" width="{step - 2:.1f}" height="{low:.1f}"/>'
            f'<rect class="bar out" x="{left:.1f}" y="{base - low - high:.1f}" width="{step - 2:.1f}" '
            f'height="{high:.1f}"/>'
            + (f'<text x="{left + step / 2 - 1:.1f}" y="{base - low - high - 3:.1f}" text-anchor="middle">'
               f"{inside + outside}</text>" if inside + outside else "")
            + "</g>"
        )  # fmt: skip
    marks = "".join(
        f'<text x="{5 + n * step:.1f}" y="{base + 14}" text-anchor="middle">{edges[n]:g}</text>'
        for n in range(1, bars, 2)
    )
    words = f"{title}: {len(kept)} kept and {len(rejected)} rejected captures"
    return (
        f'<div class="panel"><h2>{escape(title)}</h2>'
        f'<svg class="histogram" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}">'
        f'<line x1="5" x2="{width - 5}" y1="{base}" y2="{base}"/>{"".join(drawn)}{marks}'
        f'<text x="{width - 5}" y="{height - 4}" text-anchor="end">{escape(unit.strip())}</text></svg></div>'
    )


def _by_verdict(entries: Sequence[dict[str, Any]], links: Mapping[str, str]) -> str:
    """Table of verdicts, each with a link to its first card."""
    counts = Counter(e["reason"] if e["verdict"] == "reject" else "keep" for e in entries)
    order = [*[name for name in links if name in counts and name != "keep"], "keep"]
    body = ""
    for name in order:
        word = "kept" if name == "keep" else str(name).replace("_", " ")
        if name in links:
            word_html = f'<a href="{escape(links[name])}">{escape(word)}</a>'
        else:
            word_html = escape(word)
        meaning = "An open sky by day." if name == "keep" else reason_meaning(name)
        body += f'<tr><td>{word_html}</td><td class="number">{counts[name]}</td><td>{escape(meaning)}</td></tr>'
    head = '<thead><tr><th>verdict</th><th class="number">files</th><th>what it means</th></tr></thead>'
    return f'<div class="panel wide"><h2>Verdicts</h2><table>{head}<tbody>{body}</tbody></table></div>'


def day_table(frames: Sequence[dict[str, Any]]) -> str:
    """Time-lapse days, one row a folder; empty without frames."""
    days: dict[str, list[dict[str, Any]]] = {}
    for frame in frames:
        days.setdefault(PurePosixPath(frame["file"]).parent.as_posix(), []).append(frame)
    if not days:
        return ""
    body = ""
    for name, members in sorted(days.items()):
        kept = sum(f["verdict"] == "keep" for f in members)
        left_out = Counter(str(f["reason"]).replace("_", " ") for f in members if f["verdict"] == "reject")
        covers = [f["state"]["cover"] for f in members if isinstance(f["state"].get("cover"), (int, float))]
        reasons = ", ".join(f"{count} {word}" for word, count in left_out.most_common()) or "none"
        mean = f"{sum(covers) / len(covers):.2f}" if covers else ""
        body += (
            f'<tr><td>{escape(name)}</td><td class="number">{len(members)}</td><td class="number">{kept}</td>'
            f'<td>{escape(reasons)}</td><td class="number">{mean}</td></tr>'
        )
    head = (
        '<thead><tr><th>day</th><th class="number">frames</th><th class="number">used</th><th>left out</th>'
        '<th class="number">mean cover</th></tr></thead>'
    )
    return (
        f'<div class="panel wide"><h2>Time-lapse days <span class="soft">({len(days)})</span></h2>'
        f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div></div>'
    )


def summary(
    skies: Sequence[dict[str, Any]],
    frames: Sequence[dict[str, Any]],
    links: Mapping[str, str],
) -> str:
    """HTML of the report's top.

    Parameters
    ----------
    skies, frames : sequence of dict
        Lines of the manifest: captures, and frames of time-lapse days.
    links : mapping
        Reason, or "keep", to the address of its first card.
    """
    kept = [e for e in skies if e["verdict"] == "keep"]
    out = [e for e in skies if e["verdict"] != "keep"]
    elevations = [[e["sun"]["elevation_deg"] for e in group if e["sun"]] for group in (kept, out)]
    covers = [[e["state"]["cover"] for e in group if e["state"].get("cover") is not None] for group in (kept, out)]
    sites = Counter(str(e["site"]) for e in kept)
    licences = Counter(str(e["licence"] or "none stated") for e in kept)
    flags = Counter(flag for e in skies for flag in e["flags"])
    overruled = sum("override" in e["flags"] for e in skies)
    totals = [
        (str(len(skies)), "captures", ""),
        (str(len(kept)), "kept", "keep"),
        (str(len(out)), "rejected", "reject"),
        (str(len(sites)), "sites kept", ""),
        (str(overruled), "overruled by hand", ""),
    ]
    boxes = "".join(f'<div class="total"><b class="{c}">{n}</b>{escape(w)}</div>' for n, w, c in totals)
    return (
        f'<div class="totals">{boxes}</div><div class="panels">{_by_verdict(skies, links)}'
        + '<div class="stack">'
        + histogram("Sun elevation", elevations[0], elevations[1], list(range(0, 91, 10)), " degrees")
        + histogram("Cloud cover", covers[0], covers[1], [n / 10 for n in range(11)], "")
        + "</div>"
        + _table("Sites kept", sites.most_common(), len(sites))
        + _table("Licences of kept captures", licences.most_common())
        + _table("Flags", [(f"{f}: {FLAG_WORDS[f]}" if f in FLAG_WORDS else f, c) for f, c in flags.most_common()])
        + day_table(frames)
        + "</div>"
    )
