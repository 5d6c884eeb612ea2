"""``CAPTURES.csv`` and the manifest as people and file systems leave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from skygen_addon.core.errors import SkyGenError
from trainer.captures.manifest import read_manifest, write_manifest
from trainer.captures.origins import Origin, guess_site, read_origins


def test_rows_of_the_table_are_found_in_other_folders_too(tmp_path: Path) -> None:
    (tmp_path / "skies").mkdir()
    for name in ("skies/hill.hdr", "field.hdr"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "CAPTURES.csv").write_text("file,site,licence,origin\nhdri/hill.hdr,a,CC0-1.0,me\nfield.hdr,b,,\n")
    origins = read_origins(tmp_path)
    assert origins["skies/hill.hdr"] == Origin("a", "CC0-1.0", "me")
    assert origins["field.hdr"] == Origin("b", None, None)


def test_a_cameras_number_is_no_site_of_its_own() -> None:
    assert guess_site("lake/IMG_0001.dng") != guess_site("hill/IMG_0001.dng")
    assert guess_site("hill/sky_4k.exr") == guess_site("sky_1k.hdr")


def test_sites_are_guessed_across_resolutions() -> None:
    assert guess_site("hdri/aristea_wreck_puresky_1k.hdr") == guess_site("aristea_wreck_4k.exr") == "aristea_wreck"


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("file,site,licence,origin\nsky.hdr\n", "sky"),
        ("file,site\nsky.hdr,\n,,,\n", "sky"),
        ("\ufefffile,site,licence\nsky.hdr,hill,CC0\n", "hill"),
        ("file,site\nmore\\sky.hdr,hill\n", "hill"),
    ],
)
def test_tables_that_people_write(tmp_path: Path, text: str, site: str) -> None:
    (tmp_path / "sky.hdr").write_bytes(b"")
    (tmp_path / "CAPTURES.csv").write_text(text, encoding="utf-8")
    assert read_origins(tmp_path)["sky.hdr"].site == site


def test_a_table_in_another_encoding_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "CAPTURES.csv").write_bytes("file,site\nsky.hdr,M\u00fcnster\n".encode("latin-1"))
    with pytest.raises(SkyGenError, match="UTF-8"):
        read_origins(tmp_path)


def test_names_with_odd_letters_stay_in_the_manifest(tmp_path: Path) -> None:
    names = ["a\u2028b.hdr", "a\u0085b.hdr", "a\udcffb.hdr", "\u00fc.hdr"]
    write_manifest(tmp_path, {name: {"file": name} for name in names})
    assert read_manifest(tmp_path).keys() == set(names)


def test_rows_without_effect_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A camera's name stands in many folders: a row never gives one sky's licence to another."""
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "DSC_1.hdr").write_bytes(b"")
    rows = "c/DSC_1.hdr,hill,CC0\ngone.hdr,lake,CC0\na/DSC_1.hdr,sea,CC0\na/DSC_1.hdr,sea,CC-BY-4.0\n"
    (tmp_path / "CAPTURES.csv").write_text("file,site,licence\n" + rows)
    origins = read_origins(tmp_path)
    assert origins["a/DSC_1.hdr"] == Origin("sea", "CC0", None)
    assert origins["b/DSC_1.hdr"] == Origin("hill", "CC0", None)  # the only one left of that name
    told = [record.message for record in caplog.records]
    assert any("two rows" in line for line in told) and any("gone.hdr" in line for line in told)
    (tmp_path / "CAPTURES.csv").write_text("file,site,licence\nc/DSC_1.hdr,hill,CC0\n")
    caplog.clear()
    assert read_origins(tmp_path).keys() == {"c/DSC_1.hdr"} and "several" in caplog.text
