"""Look and behaviour of the report's pages: plain CSS and a few lines of JavaScript, nothing from elsewhere."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #1c2128; --soft: #59636e; --line: #d5dae1;
  --keep: #1a7f37; --reject: #b42318; --accent: #0a58ca; --mark: #ff5a00; --chip: #e9edf2; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1d2127; --ink: #e8ebef; --soft: #a0aab5;
  --line: #343b44; --keep: #57d17a; --reject: #ff8b80; --accent: #7db4ff; --chip: #2b313a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main, header, footer { max-width: 1500px; margin: 0 auto; padding: 0 20px; }
h1 { font-size: 1.7rem; margin: 22px 0 4px; } h2 { font-size: 1.25rem; margin: 30px 0 4px; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: 4px 0 10px; } a { color: var(--accent); } .soft { color: var(--soft); }
.keep { color: var(--keep); } .reject { color: var(--reject); }
.totals { display: flex; flex-wrap: wrap; gap: 14px; margin: 14px 0; }
.total { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 8px 18px; }
.total b { display: block; font-size: 1.7rem; line-height: 1.2; }
.panels { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.panel.wide { flex: 1 1 480px; } .stack { display: grid; gap: 16px; } .panel h2 { margin-top: 0; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: 4px 12px 4px 0; vertical-align: top; }
tr + tr td, thead + tbody td { border-top: 1px solid var(--line); } td.number, th.number { text-align: right; }
td:first-child { white-space: nowrap; } .scroll td:first-child { white-space: normal; overflow-wrap: anywhere; }
.scroll { max-height: 300px; overflow: auto; }
svg.histogram { display: block; width: 300px; max-width: 100%; }
svg.histogram text { fill: var(--soft); font-size: 11px; }
svg.histogram .bar { fill: var(--keep); } svg.histogram .bar.out { fill: var(--reject); opacity: .75; }
svg.histogram line { stroke: var(--line); }
nav.pages, .filter { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 10px 0; }
.filter { position: sticky; top: 0; z-index: 2; background: var(--paper); padding: 8px 0;
  border-bottom: 1px solid var(--line); }
nav.pages a, nav.pages span, button, input { font: inherit; padding: 3px 11px; border: 1px solid var(--line);
  border-radius: 999px; background: var(--card); color: var(--ink); text-decoration: none; }
button { cursor: pointer; } button[aria-pressed=true], nav.pages span { background: var(--accent); color: var(--card);
  border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(430px, 1fr)); gap: 14px; }
article { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--reject);
  border-radius: 8px; padding: 10px 12px; min-width: 0; } article.kept { border-left-color: var(--keep); }
article p { margin: 3px 0; } .pictures { display: flex; gap: 8px; margin: 8px 0; align-items: stretch; }
figure { position: relative; margin: 0; line-height: 0; min-width: 0; } figure img { width: 100%; height: auto; }
figure.view { flex: 2 1 0; } figcaption { font-size: .85rem; line-height: 1.4; color: var(--soft); }
figure.view img { border-radius: 4px; } figure.disc { flex: 1 1 0; }
figure.disc img { border-radius: 50%; background: #000; }
figure svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.ring { fill: none; stroke: var(--mark); stroke-width: 2; } .ring.under { stroke: #000; stroke-width: 4; }
.nothing { flex: 1; min-height: 80px; display: grid; place-items: center; border: 1px dashed var(--line);
  border-radius: 6px; color: var(--soft); }
.chip { display: inline-block; background: var(--chip); border-radius: 999px; padding: 0 9px; font-size: .85rem; }
.figures { font-size: .9rem; color: var(--soft); overflow-wrap: anywhere; }
code { font: .82rem/1.4 ui-monospace, monospace; background: var(--chip); border-radius: 4px; padding: 2px 6px;
  overflow-wrap: anywhere; user-select: all; display: inline-block; white-space: pre-wrap; }
section[hidden], article[hidden] { display: none; }
@media (max-width: 480px) { .cards { grid-template-columns: 1fr; } }
@media print { .filter, nav.pages { display: none; } article { break-inside: avoid; } }
""".strip()
"""Style sheet of every page; readable on light and on dark screens."""

SCRIPT = """
(function () {
  var buttons = [].slice.call(document.querySelectorAll('button[data-show]'));
  var search = document.getElementById('search'), count = document.getElementById('count'), wanted = 'all';
  function apply() {
    var text = search.value.toLowerCase(), shown = 0;
    document.querySelectorAll('section[data-group]').forEach(function (section) {
      var here = 0;
      section.querySelectorAll('article').forEach(function (card) {
        var words = card.getAttribute('data-words').split(' ');
        var fits = wanted === 'all' || words.indexOf(wanted) >= 0;
        card.hidden = !(fits && card.getAttribute('data-name').indexOf(text) >= 0);
        if (!card.hidden) { here += 1; }
      });
      section.hidden = here === 0;
      shown += here;
    });
    count.textContent = shown + ' shown';
  }
  buttons.forEach(function (button) {
    button.addEventListener('click', function () {
      wanted = button.getAttribute('data-show');
      buttons.forEach(function (b) { b.setAttribute('aria-pressed', String(b === button)); });
      apply();
    });
  });
  if (search) { search.addEventListener('input', apply); }
}());
""".strip()
"""Filter buttons and the search field of a page."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Content policy: a page asks nothing of any network."""
