"""``trainer fetch DIR``: panoramas of Poly Haven into a folder that ``trainer ingest`` reads.

Without ``--yes`` it only says what it would download. Files lie in ``DIR/polyhaven``; where they
come from goes into ``DIR/CAPTURES.csv``. A file that is there is not asked for again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from skygen_addon.core.errors import RequestError
from skygen_addon.core.whole_file import output_error
from trainer.captures.fetch.captures_table import note_origins
from trainer.captures.fetch.downloads import download
from trainer.captures.fetch.polite_client import BadAnswer, PoliteClient, check_url, is_loopback
from trainer.captures.fetch.poly_haven import API, CREDIT, LICENCE, ORIGIN, SkyFile, list_skies, sky_file
from trainer.captures.origins import Origin, guess_site, read_table

logger = logging.getLogger(__name__)

FOLDER = "polyhaven"
"""Where the files lie inside the captures' folder."""

LEAST_INTERVAL_S = 0.5
"""Nobody asks a free interface more often."""

FAULTS_IN_A_ROW = 5
"""Bad answers after which the server counts as changed."""

NEWS_S = 10.0
"""Seconds between two lines about a dry run's progress."""


@dataclass(frozen=True)
class Wish:
    """What to fetch, and where to."""

    folder: Path
    """The captures' folder."""
    categories: list[str]
    """A panorama is in all of them."""
    resolution: str
    """Width in thousands of pixels, such as "1k"."""
    suffix: str
    """"hdr" or "exr"."""
    limit: int | None
    """Most panoramas, by name."""
    site_limit: int | None
    """Most panoramas of one site."""
    interval_s: float
    """Least time between two requests."""
    api: str
    """Address of the interface."""
    download: bool
    """Whether to download; otherwise only say what would be."""

    def file(self, name: str) -> str:
        """Where a panorama lies inside the folder."""
        return f"{FOLDER}/{name}_{self.resolution}.{self.suffix}"


@dataclass
class Tally:
    """What became of the panoramas so far."""

    here: int
    """There before."""
    fetched: int = 0
    """Downloaded, or to be."""
    size_bytes: int = 0
    """Of the fetched ones together."""
    lacking: int = 0
    """Without the wanted resolution or format."""
    faults: list[BadAnswer] = field(default_factory=list)
    """Why others failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="captures' folder; files go into DIR/polyhaven")
    parser.add_argument("--categories", default="skies", help="comma-separated; a panorama is in all of them (skies)")
    parser.add_argument("--resolution", default="1k", help="width in thousands of pixels: 1k, 2k, 4k, 8k ... (1k)")
    parser.add_argument("--format", choices=("hdr", "exr"), default="hdr", help="file format (hdr)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N panoramas, the first by name")
    parser.add_argument("--site-limit", type=int, metavar="N", help="at most N panoramas of one site (one sky)")
    parser.add_argument("--interval-s", type=float, default=1.0, help="least seconds between two requests (1)")
    parser.add_argument("--api", default=API, metavar="URL", help=f"another server with the interface of {API}")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be downloaded, even with --yes")
    parser.add_argument("--yes", action="store_true", help="download; without it nothing is")


def user_agent() -> str:
    """How the program names itself to servers: name and version."""
    manifest = Path(__file__).parents[3] / "blender_manifest.toml"
    if manifest.is_file():
        version = str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])
    else:  # an installed package lies apart from the manifest, and states the same version itself
        version = importlib.metadata.version("skygen")
    return f"SkyGen/{version} (trainer fetch)"


def check_arguments(arguments: argparse.Namespace) -> Wish:
    """The wish that the arguments state; raises RequestError if they make no sense."""
    categories = [c for c in (word.strip() for word in arguments.categories.split(",")) if c]
    if not categories:
        raise RequestError("--categories names none.", "Give for example skies, or skies,clear.")
    resolution = arguments.resolution.lower()
    if not re.fullmatch(r"[1-9][0-9]?k", resolution):
        raise RequestError(f"--resolution {arguments.resolution} is not one.", "Give 1k, 2k, 4k, 8k or more.")
    for option in ("limit", "site_limit"):
        value = getattr(arguments, option)
        if value is not None and value < 1:
            raise RequestError(f"--{option.replace('_', '-')} {value} leaves nothing.", "Give 1 or more.")
    if not LEAST_INTERVAL_S <= arguments.interval_s <= 3600.0:
        raise RequestError(
            f"--interval-s {arguments.interval_s:g} is not possible.", f"Give {LEAST_INTERVAL_S} or more."
        )
    api = arguments.api.rstrip("/")
    try:
        check_url(api, plain_http=is_loopback(api))
    except (BadAnswer, ValueError):
        raise RequestError(f"--api {arguments.api} is no https address.", f"Leave it out for {API}.") from None
    return Wish(
        arguments.folder,
        categories,
        resolution,
        arguments.format,
        arguments.limit,
        arguments.site_limit,
        arguments.interval_s,
        api,
        download=arguments.yes and not arguments.dry_run,
    )


def choose(names: list[str], limit: int | None, site_limit: int | None) -> list[str]:
    """The first names within both limits; a panorama and its edit without ground ("puresky") are one site."""
    chosen: list[str] = []
    per_site: dict[str, int] = {}
    for name in names:
        site = guess_site(name)
        per_site[site] = per_site.get(site, 0) + 1
        if site_limit is None or per_site[site] <= site_limit:
            chosen.append(name)
    return chosen[:limit]


def run(
    arguments: argparse.Namespace,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Download, or say what would be. Returns 0: that some panoramas lack the resolution is no failure.

    Raises
    ------
    SkyGenError
        Bad arguments, an unreachable server, bad answers, a folder or table that cannot be
        written. Files that are complete by then are kept and noted.
    """
    wish = check_arguments(arguments)
    read_table(wish.folder)  # a table that cannot be kept is told before anything is downloaded
    client = PoliteClient(user_agent(), wish.interval_s, is_loopback(wish.api), sleep, clock)
    names = choose(list_skies(client, wish.api, wish.categories), wish.limit, wish.site_limit)
    if not names:
        raise RequestError(
            f"No panorama is in the categories {', '.join(wish.categories)}.", f"See {wish.api}/categories/hdris."
        )
    if wish.download:
        try:
            (wish.folder / FOLDER).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(wish.folder / FOLDER, error) from error
    tally = _go_through(wish, client, names, clock)
    size = f"{tally.size_bytes / 1e6:.1f} MB"
    what = f"{tally.fetched} panoramas, {size}" + (" downloaded to" if wish.download else " to download to")
    logger.info(
        "%s %s; %d here already, %d without %s", what, wish.folder / FOLDER, tally.here, tally.lacking, _kind(wish)
    )
    logger.info(CREDIT)
    if tally.faults:
        first = tally.faults[0]
        raise BadAnswer(
            f"{len(tally.faults)} of {len(names)} panoramas failed; the first: {first.message}", first.remedy
        )
    if tally.lacking == len(names):
        raise RequestError(f"No panorama comes as {_kind(wish)}.", "Give a --resolution that is named above.")
    if not wish.download:
        logger.info("Nothing was downloaded. Run it with --yes to do so.")
    return 0


def _kind(wish: Wish) -> str:
    return f"{wish.resolution} {wish.suffix}"


def _origin(name: str) -> Origin:
    return Origin(guess_site(name), LICENCE, ORIGIN)


def _go_through(wish: Wish, client: PoliteClient, names: list[str], clock: Callable[[], float]) -> Tally:
    """Fetch each panorama, or ask for its size; a bad answer about one does not keep the others away."""
    left = [name for name in names if not (wish.folder / wish.file(name)).is_file()]
    tally = Tally(here=len(names) - len(left))
    if wish.download:
        note_origins(wish.folder, [(wish.file(n), _origin(n)) for n in names if n not in set(left)])
    begin_s = told_s = clock()
    in_a_row = 0
    for number, name in enumerate(left, 1):
        try:
            found = _take(wish, client, name)
            in_a_row = 0
        except BadAnswer as error:
            tally.faults.append(error)
            in_a_row += 1
            if in_a_row == FAULTS_IN_A_ROW:
                raise
            news = str(error)
        else:
            if isinstance(found, SkyFile):
                tally.fetched += 1
                tally.size_bytes += found.size_bytes
                news = f"{found.size_bytes / 1e6:.1f} MB" if wish.download else ""
            else:
                tally.lacking += 1
                news = f"no {_kind(wish)}, only {', '.join(found) or 'other formats'}"
        now_s = clock()
        if news or now_s - told_s >= NEWS_S:
            told_s = now_s
            left_s = (now_s - begin_s) / number * (len(left) - number)
            logger.info("%d/%d %s: %s (%.0f s left)", number, len(left), name, news or "asked", left_s)
    return tally


def _take(wish: Wish, client: PoliteClient, name: str) -> SkyFile | list[str]:
    """Ask for one panorama's file and, if wished, download and note it; else the resolutions that it has."""
    found = sky_file(client, wish.api, name, wish.resolution, wish.suffix)
    if wish.download and isinstance(found, SkyFile):
        download(client, found.url, wish.folder / wish.file(name), found.size_bytes, found.md5)
        note_origins(wish.folder, [(wish.file(name), _origin(name))])
    return found
