"""The playing rate of the live preview: what is asked, what is counted, and a process that fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from skygen_addon.core.controls import SkyControls
from skygen_addon.core.errors import SkyGenError
from skygen_addon.runtime.command.bench import table
from skygen_addon.runtime.command.bench_playing import measure_playing, serve_command

STUB = """
import sys
from pathlib import Path
from skygen_addon.runtime.serve.serve import serve_standard_streams
from tests.runtime.film.film_stub import StillsOfTime
folder = Path(sys.argv[sys.argv.index("--folder") + 1])
serve_standard_streams(StillsOfTime, folder)
"""


def test_a_film_is_played_to_the_process_and_its_pictures_are_counted() -> None:
    """By a renderer that takes no time: a picture for nearly every request, all carried."""
    rate = measure_playing([sys.executable, "-c", STUB], SkyControls(), seconds=1.5)
    assert 3 < rate.pictures_per_s < 26 and rate.carried_share == 1.0
    assert 0 < rate.late_s < rate.longest_gap_s + 0.5 < 2.5
    said = table([], 0.0, None, rate)
    assert "while a film plays, 512 wide" in said and "(100 % carried from others)" in said


def test_a_process_that_cannot_serve_or_ends_is_told() -> None:
    with pytest.raises(SkyGenError, match="gone"):
        measure_playing(serve_command(Path("/gone"), 1, "cpu"), SkyControls(), seconds=0.1)
    with pytest.raises(SkyGenError, match="has ended"):
        measure_playing([sys.executable, "-c", "0"], SkyControls(), seconds=0.1)
