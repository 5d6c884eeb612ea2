"""``python -m trainer evaluate``: the table of every source of skies beside real captures, and sheets to look at."""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path

from tqdm import tqdm

from skygen_addon.core.bundle import installed_bundle, load_bundle
from skygen_addon.core.errors import OutputError, RequestError
from skygen_addon.core.presets import load_preset
from skygen_addon.core.whole_file import whole_file
from trainer.evaluation.comparison import SeenSky, compare, look_at
from trainer.evaluation.judging.judge import Judge
from trainer.evaluation.motion.motion_figures import MotionFigures, motion_figures
from trainer.evaluation.pages.figure import draw_distances
from trainer.evaluation.pages.sheets import draw_sheet, write_blind_sheets
from trainer.evaluation.pages.tables import as_json, as_markdown
from trainer.evaluation.skies.real_skies import read_real_skies
from trainer.evaluation.skies.requests_like_captures import requests_like_captures
from trainer.evaluation.skies.sources import WIDTH, SkySource, preset_requests
from trainer.evaluation.skies.systems import SHIPPED, SOURCES, all_sources, check_sources

log = logging.getLogger(__name__)

SKIES = 72
"""Skies of each source: six of every shipped preset."""

ASKED = ("presets", "captures")
"""What the bundle's skies are asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command-line options of ``evaluate``."""
    parser.add_argument("--data", type=Path, default=Path("data/captures"), help="data folder of ingest")
    parser.add_argument("--captures", type=Path, required=True, help="folder that was ingested")
    parser.add_argument("--bundle", type=Path, help="bundle to evaluate (default: the one that ships)")
    parser.add_argument("--dense", type=Path, help="run of 'train dense_2021'; without it that row is left out")
    parser.add_argument("--held-out", nargs="+", metavar="SITE", help="sites that the bundle's training never saw")
    parser.add_argument("--skies", type=int, default=SKIES, help=f"skies of each source ({SKIES})")
    parser.add_argument(
        "--like", choices=ASKED, default=ASKED[0], help="ask for the presets' skies, or for skies like the captures'"
    )
    parser.add_argument("--only", nargs="+", choices=SOURCES, help="sources beside the shipped bundle (default: all)")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (1000)")
    parser.add_argument(
        "--motion", nargs="*", metavar="PRESET", default=["fair_cumulus"], help="presets whose motion is measured"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), help="folder of tables, figure and sheets")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and write evaluation.json, .md and .png and the sheets.

    Raises
    ------
    RequestError, CaptureError, BundleError, OutputError
        If an option, the captures, the bundle or the folder is at fault.
    """
    if arguments.skies < 2 or arguments.resamples < 20:
        raise RequestError("Too few skies or resamples.", "Give --skies from 2 and --resamples from 20 on.")
    out: Path = arguments.out
    try:
        (out / "skies").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error}.", "Choose another folder with --out.") from error
    bundle = installed_bundle() if arguments.bundle is None else arguments.bundle
    load_bundle(bundle)
    judge = Judge()
    held_out = None if arguments.held_out is None else frozenset(arguments.held_out)
    check_sources(arguments.only, arguments.dense)
    for preset in arguments.motion:
        load_preset(preset)
    real = [sky for sky in read_real_skies(arguments.data, arguments.captures, held_out) if len(sky.views)]
    seen_real = [look_at(s.panorama, judge, n, s.views, s.seen) for n, s in enumerate(real)]
    if arguments.like == "captures":  # half a minute or more each
        requests = requests_like_captures(real, bundle, arguments.skies, WIDTH, out / "matches")
    else:
        requests = preset_requests(arguments.skies)
    with tempfile.TemporaryDirectory(prefix="skygen_evaluate_") as scratch:
        sources = all_sources(bundle, requests, arguments.only, arguments.dense, Path(scratch))
        seen: dict[str, list[SeenSky]] = {}
        for source in sources:
            seen[source.name] = _look_at_source(source, out / "skies", judge)
            captions = [f"{n + 1} {label}" for n, label in enumerate(source.labels)]
            draw_sheet([s.thumbnail for s in seen[source.name]], captions, out / f"sheet_{source.name}.png")
    like_sites = arguments.like == "captures"
    comparison = compare(
        real, seen_real, sources, seen, shipped=SHIPPED, like_sites=like_sites, resamples=arguments.resamples
    )
    sites = [sky.site for sky in real]
    draw_sheet([s.thumbnail for s in seen_real], sites, out / "sheet_real.png")
    shipped = next(source for source in sources if source.name == SHIPPED)
    write_blind_sheets(
        list(zip(sites, [s.view for s in seen_real], strict=True)),
        list(zip(shipped.labels, [s.view for s in seen[SHIPPED]], strict=True)),
        out,
    )
    draw_distances(comparison, out / "evaluation.png")
    motion: dict[str, MotionFigures] = {}
    for preset in (None, *arguments.motion):  # what is there is written before minutes of motion begin
        if preset is not None:
            log.info("motion of %s", preset)
            motion[preset] = motion_figures(bundle, preset)
        described = as_json(comparison, [s.figures for s in seen_real], motion, load_bundle(bundle), arguments.like)
        text = as_markdown(described)
        for name, content in (("evaluation.json", json.dumps(described, indent=1) + "\n"), ("evaluation.md", text)):
            with whole_file(out / name) as temporary:
                temporary.write_text(content, encoding="utf-8")
    print(text)
    print(f"{out}: evaluation.md, evaluation.json, evaluation.png, sheet_unlabelled.png, sheet_labelled.png")
    return 0


def _look_at_source(source: SkySource, folder: Path, judge: Judge) -> list[SeenSky]:
    """All skies of a source, drawn where ``folder`` does not hold them yet."""
    numbers = tqdm(range(len(source.keys)), desc=source.name, unit="sky", disable=None)
    seen = [look_at(source.sky(number, folder), judge, number) for number in numbers]
    source.release()
    return seen
