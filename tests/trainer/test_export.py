"""Export: what a run must say of itself, what the card makes of it, and a bundle that states its own graphs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from skygen_addon.core.bundle import WeatherScale, installed_bundle, load_bundle
from skygen_addon.core.errors import BundleError, OutputError, RequestError
from trainer import export
from trainer.__main__ import main
from trainer.export import write_bundle
from trainer.model_card import card_with_base, kept_card
from trainer.networks.field_export import learned_weights
from trainer.recipes import smoke
from trainer.training.record import manifest_hash, read_record, record_stage, source_state

STAGES = ("weather", "shade", "field")
COMMIT = "0123456789ab" + "c" * 28
DELETE = object()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose manifest keeps one capture."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [
        {"verdict": "keep", "source": "Poly Haven", "licence": "CC0", "site": "hill", "flags": [], "state": {}},
        {"verdict": "night", "source": "Poly Haven", "licence": "CC0", "site": "street", "flags": [], "state": {}},
    ]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    """A run directory that says everything of itself; it holds no networks."""
    folder = tmp_path / "run"
    for minutes, stage in enumerate(STAGES, start=1):
        (folder / stage).mkdir(parents=True)
        (folder / stage / "metrics.json").write_text(json.dumps({f"{stage}_error": 0.25}))
        record_stage(folder, smoke(), stage, float(minutes), False, data, (COMMIT, False))
    return folder


@pytest.fixture
def shipped_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped bundle's graphs in place of what a run's checkpoints would give."""
    shipped = installed_bundle()

    def copy_to(name: str) -> Any:
        return lambda network, path: shutil.copyfile(shipped / name, path)

    def weather(checkpoint: Path, path: Path) -> WeatherScale:
        shutil.copyfile(shipped / "weather.onnx", path)
        return load_bundle(shipped).weather

    monkeypatch.setattr(export, "load_field", lambda folder: None)
    monkeypatch.setattr(export, "load_shade", lambda folder: None)

    def fields(module: Any, folder: Path) -> None:
        for name in ("field.onnx", "field_draft.onnx"):
            shutil.copyfile(shipped / name, folder / name)

    monkeypatch.setattr(export, "export_fields", fields)
    monkeypatch.setattr(export, "export_shade", copy_to("shade.onnx"))
    monkeypatch.setattr(export, "export_weather", weather)


def edit(run: Path, path: tuple[str, ...], value: Any) -> None:
    record = json.loads((run / "run.json").read_text())
    at = record
    for key in path[:-1]:
        at = at[key]
    if value is DELETE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    (run / "run.json").write_text(json.dumps(record))


def test_a_complete_run_becomes_a_bundle(run: Path, data: Path, tmp_path: Path, shipped_graphs: None) -> None:
    edit(run, ("stages", "shade", "dirty"), True)
    edit(run, ("stages", "weather", "dirty"), DELETE)  # as older runs have it
    bundle = write_bundle(run, data, tmp_path / "bundle", "mine")
    assert bundle.training_manifest_sha256 == manifest_hash(data)
    assert bundle.figures == {stage: {f"{stage}_error": 0.25} for stage in STAGES}
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    hardware = json.loads((run / "run.json").read_text())["stages"]["field"]["hardware"]
    assert f"- field: 3 minutes on {hardware}, commit 0123456789ab\n" in card
    assert "- shade: 2 minutes" in card and "commit 0123456789ab with uncommitted changes\n" in card
    assert "commit 0123456789ab, uncommitted changes not recorded\n" in card
    assert "- 1 panoramas: Poly Haven, CC0" in card and "Panoramas: hill." in card
    (bundle.folder / "field.onnx").write_bytes((bundle.folder / "shade.onnx").read_bytes())
    with pytest.raises(BundleError, match=r"field\.onnx .* is not the file"):
        load_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("recipe",), DELETE, "recipe"), (("recipe", "name"), "", "recipe"), (("recipe",), "quick", "recipe"),
        (("stages",), DELETE, "stages weather, shade, field.*--only weather --only shade --only field"),
        (("stages", "shade"), DELETE, "lacks the stages shade.*--only shade"),
        (("stages", "field"), [], "lacks the stages field.*--only field"),
        (("stages", "field", "minutes"), DELETE, "Stage field .*minutes"),
        (("stages", "field", "minutes"), "30", "Stage field .*minutes"),
        (("stages", "field", "minutes"), float("nan"), "Stage field .*minutes"),
        (("stages", "field", "minutes"), -1, "Stage field .*minutes"),
        (("stages", "weather", "commit"), DELETE, "Stage weather .*commit"),
        (("stages", "weather", "hardware"), " ", "Stage weather .*hardware"),
        (("stages", "weather", "dirty"), "no", "Stage weather .*dirty"),
        (("stages", "field", "manifest_sha256"), "0" * 64, "not the one that the field was trained with"),
    ],
)  # fmt: skip
def test_incomplete_runs_are_refused(
    run: Path, data: Path, tmp_path: Path, path: tuple[str, ...], value: Any, told: str
) -> None:
    edit(run, path, value)
    with pytest.raises(BundleError, match=told):
        write_bundle(run, data, tmp_path / "bundle", "mine")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "run"]  # nothing was begun


@pytest.mark.parametrize("name", ["run.json", "shade/metrics.json"])
@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_missing_and_damaged_files_of_a_run_are_refused(
    run: Path, data: Path, tmp_path: Path, name: str, content: str | None
) -> None:
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    with pytest.raises(BundleError, match=Path(name).name.replace(".", r"\.")) as caught:
        write_bundle(run, data, tmp_path / "bundle", "mine")
    assert "rain" in caught.value.remedy


@pytest.mark.parametrize("content", [None, "", "{", "[]\n", '{"verdict": "keep"}\n', '{"verdict": "night"}\n'])
def test_data_without_a_manifest_of_kept_captures_is_refused(
    run: Path, data: Path, tmp_path: Path, content: str | None
) -> None:
    (data / "manifest.jsonl").unlink()
    if content is not None:
        (data / "manifest.jsonl").write_text(content)
        edit(run, ("stages", "field", "manifest_sha256"), manifest_hash(data))
    with pytest.raises(BundleError, match=r"manifest\.jsonl .*--data"):
        write_bundle(run, data, tmp_path / "bundle", "mine")


def test_captures_whose_origin_nobody_states_are_said_to_be_so(
    run: Path, data: Path, tmp_path: Path, shipped_graphs: None
) -> None:
    """Who trains on their own captures need not tell anybody whose they are; the card must not claim to know."""
    row = {"verdict": "keep", "source": None, "licence": None, "site": "garden", "flags": [], "state": {}}
    (data / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    edit(run, ("stages", "field", "manifest_sha256"), manifest_hash(data))
    bundle = tmp_path / "bundle"
    write_bundle(run, data, bundle, "mine")
    assert "1 panoramas: source not stated, licence not stated" in (bundle / "MODEL_CARD.md").read_text()
    assert "licence not stated" in json.loads((bundle / "model.json").read_text())["licence"]


def test_a_procedural_field_needs_no_trained_one(run: Path, data: Path, tmp_path: Path, shipped_graphs: None) -> None:
    edit(run, ("stages", "field"), DELETE)
    bundle = write_bundle(run, data, tmp_path / "bundle", "mine", "procedural")
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    assert "procedural noise field; nothing in it is learned" in card and "- field: " not in card


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_without_out_a_bundle_never_lands_among_those_that_ship(
    run: Path, data: Path, tmp_path: Path, shipped_graphs: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    models = tmp_path / "skygen_addon" / "models"
    shutil.copytree(installed_bundle(), models / "shipped")
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run), "--data", str(data), "--name", "mine"]) == 0
    assert load_bundle(tmp_path / "bundles" / "mine").name == "mine"
    assert "--bundle bundles/mine" in capsys.readouterr().out
    assert installed_bundle(models).name == "shipped"


@pytest.mark.parametrize("name", ["", "../mine", "a/b", "two words", "näher", "a\nb", "mine.old", "x" * 65])
def test_other_names_are_refused(run: Path, data: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="name"):
        write_bundle(run, data, tmp_path / "bundle", name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "run"]


@pytest.mark.parametrize(
    "held", [["thesis.txt"], ["model.json", "notes.md"], ["model.json", "old/model.json"], ["field.onnx"], [".hidden"]]
)
def test_a_folder_that_is_no_bundle_is_left_alone(
    run: Path, data: Path, tmp_path: Path, shipped_graphs: None, held: list[str]
) -> None:
    out = tmp_path / "out"
    for name in held:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    before = listing(tmp_path)
    with pytest.raises(OutputError, match="is not a bundle's folder"):
        write_bundle(run, data, out, "mine")
    assert listing(tmp_path) == before


def test_files_links_and_the_working_folder_are_no_place_for_a_bundle(run: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for out in (tmp_path / "file", tmp_path / "link", tmp_path / "file" / "below", tmp_path / ("x" * 300), Path("")):
        with pytest.raises(OutputError):
            write_bundle(run, data, out, "mine")
    assert (tmp_path / "file").read_text() == "mine" and (tmp_path / "link").is_symlink()


def test_an_empty_folder_and_an_older_bundle_are_replaced(
    run: Path, data: Path, tmp_path: Path, shipped_graphs: None
) -> None:
    (tmp_path / "bundle").mkdir()
    for name in ("first", "second"):
        assert write_bundle(run, data, tmp_path / "bundle", name).name == name
        assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "data", "run"]


def test_an_older_bundle_comes_back_when_the_new_one_cannot_be_moved(
    run: Path, data: Path, tmp_path: Path, shipped_graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(run, data, tmp_path / "bundle", "first")
    before, replace = listing(tmp_path), os.replace
    targets: list[Path] = []

    def fails_once(source: Path, target: Path) -> None:
        targets.append(Path(target))
        if targets.count(tmp_path / "bundle") == 1 and target == tmp_path / "bundle":
            raise PermissionError("in use")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(OutputError, match="in use"):
        write_bundle(run, data, tmp_path / "bundle", "second")
    assert listing(tmp_path) == before and targets.count(tmp_path / "bundle") == 2


def test_sittings_add_up_and_a_dirty_one_is_not_forgotten(run: Path, data: Path) -> None:
    for resumed, dirty, minutes, expected in (
        (True, True, 0.5, (3.5, True)), (True, False, 0.5, (4.0, True)), (False, False, 2.0, (2.0, False)),
        (True, None, 1.0, (3.0, None)),
    ):  # fmt: skip
        record_stage(run, smoke(), "field", minutes, resumed, data, ("abc", dirty))
        stage = read_record(run, ["field"])["stages"]["field"]
        assert (stage["minutes"], stage["dirty"]) == expected
        assert stage["manifest_sha256"] == manifest_hash(data)


def test_the_work_tree_is_dirty_from_the_first_change_to_the_next_commit(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert source_state(tmp_path) == ("unknown", None)
    git("init", "--quiet")
    (tmp_path / "code.py").write_text("1")
    assert source_state(tmp_path) == ("unknown", True)
    git("add", "code.py")
    git("commit", "--quiet", "--message", "first")
    assert source_state(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "code.py").write_text("2")
    assert source_state(tmp_path) == (git("rev-parse", "HEAD"), True)
    git("checkout", "code.py")
    (tmp_path / "new.py").write_text("")
    assert source_state(tmp_path)[1] is True


def test_a_bundle_may_take_all_but_its_field_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Shading and weather are the base's files, the field is the procedural one, and the card quotes the base's."""
    base, out = installed_bundle(), tmp_path / "mine"
    written: list[str] = []

    def export_fields(module: object, folder: Path) -> None:
        written.append(type(module).__name__)
        for name in ("field.onnx", "field_draft.onnx"):
            (folder / name).write_bytes((base / name).read_bytes())

    monkeypatch.setattr(export, "export_fields", export_fields)
    assert main(["export", "--base", str(base), "--field", "procedural", "--name", "mine", "--out", str(out)]) == 0
    assert written == ["ProceduralField"]
    for graph in ("shade.onnx", "weather.onnx"):
        assert (out / graph).read_bytes() == (base / graph).read_bytes()
    described = json.loads((out / "model.json").read_text())
    assert described["name"] == "mine" and "field" not in described["figures"]
    assert described["weather"] == json.loads((base / "model.json").read_text())["weather"]
    card = (out / "MODEL_CARD.md").read_text()
    assert card.startswith("# mine\n") and "procedural noise field; nothing in it is learned" in card
    quoted = (base / "MODEL_CARD.md").read_text()
    weather = [line for line in quoted.splitlines() if line.startswith("- weather:")]
    assert weather and weather[0] in card.splitlines() and "  - log_rms_corrected:" in card
    assert "sliced_wasserstein" in quoted and "sliced_wasserstein" not in card and card.count("**CloudField**") == 1
    again = card_with_base("again", "procedural", {}, {}, card)
    assert again.splitlines()[1:] == card.splitlines()[1:]  # said once, however often it is done


def test_learned_weights_are_kept_in_newer_procedural_parts(tmp_path: Path, capsys: Any) -> None:
    base, out = installed_bundle(), tmp_path / "mine"
    assert main(["export", "--base", str(base), "--field", "kept", "--name", "mine", "--out", str(out)]) == 0
    first = learned_weights(base / "field.onnx").state_dict()
    for name in ("field.onnx", "field_draft.onnx"):
        kept = learned_weights(out / name).state_dict()
        assert kept.keys() == first.keys() and all(torch.equal(kept[key], first[key]) for key in kept)
    assert load_bundle(out).figures == load_bundle(base).figures
    card = (out / "MODEL_CARD.md").read_text()
    assert card.startswith("# mine\n") and "**CloudField**" in card and card.count("exported anew") == 1
    assert kept_card("other", card).count("exported anew") == 1  # said once, however often it is done
    older = kept_card("other", card.replace("; `field_draft.onnx` is the same on smaller windows, for drafts", ""))
    assert older == kept_card("other", card)


def test_a_field_may_change_some_types_only(tmp_path: Path, capsys: Any) -> None:
    """They stay so when the field is kept again, and the card says so once."""
    words, folders = ["export", "--field", "kept", "--name", "mine", "--base"], [tmp_path / "one", tmp_path / "other"]
    chosen = ["--learned-types", "towering_cumulus", "altocumulus"]
    assert main([*words, str(installed_bundle()), "--out", str(folders[0]), *chosen]) == 0
    assert main([*words, str(folders[0]), "--out", str(folders[1])]) == 0
    for folder in folders:
        assert learned_weights(folder / "field.onnx").learned_types == ("altocumulus", "towering_cumulus")
        card = (folder / "MODEL_CARD.md").read_text()
        assert card.count("chosen when it was exported: altocumulus, towering_cumulus; the others") == 1
        assert card.count("chosen when it was exported") == 1
    assert main([*words, str(folders[0]), "--out", str(folders[1]), "--learned-types", "cumulus"]) == 0
    card = (folders[1] / "MODEL_CARD.md").read_text()
    assert card.count("chosen when it was exported") == card.count("chosen when it was exported: cumulus;") == 1
    plain = card_with_base("again", "procedural", {}, {}, card)
    assert "chosen when it was exported" not in plain
    procedural = ["export", "--field", "procedural", "--base", str(folders[0]), "--out", str(tmp_path / "no")]
    assert main([*procedural, *chosen]) == 2 and "has learned no types" in capsys.readouterr().err


def test_a_shading_that_was_trained_anew_takes_the_place_of_the_base_s(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graph, figures and what the card says of it; field and weather stay."""
    base, out = installed_bundle(), tmp_path / "mine"
    taken: list[Path] = []
    monkeypatch.setattr(export, "load_shade", taken.append)
    monkeypatch.setattr(export, "export_shade", lambda _, path: shutil.copyfile(base / "shade.onnx", path))
    words = ["export", str(run), "--base", str(base), "--field", "kept", "--shading", "--name", "mine"]
    assert main([*words, "--out", str(out)]) == 0
    assert taken == [run / "shade"]
    figures, before = load_bundle(out).figures, load_bundle(base).figures
    assert figures["shade"] == {"shade_error": 0.25}
    assert {**figures, "shade": None} == {**before, "shade": None}
    card, old = ((folder / "MODEL_CARD.md").read_text() for folder in (out, base))
    (line,) = [line for line in card.splitlines() if line.startswith("- shade:")]
    assert line.startswith("- shade: 2 minutes on ") and line.endswith(f"commit {COMMIT[:12]}, after the rest")
    assert "  - shade_error: 0.25" in card and "log_rms_corrected" in old and "log_rms_corrected" not in card
    assert "  - lag1_train:" in card and "- weather:" in card and "sliced_wasserstein" in card
    assert main(["export", "--base", str(base), "--field", "kept", "--shading", "--out", str(tmp_path / "no")]) == 2


def test_what_is_no_learned_field_cannot_be_kept(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(BundleError, match="does not hold the learned weight"):
        learned_weights(installed_bundle() / "shade.onnx")
    (tmp_path / "field.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="is not a graph"):
        learned_weights(tmp_path / "field.onnx")
    assert main(["export", "--field", "kept", "--out", str(tmp_path / "mine")]) == 2
    assert "Name the bundle with --base" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--base", "BASE"], []])
def test_a_learned_field_and_a_whole_bundle_come_from_a_run(arguments: list[str], tmp_path: Path, capsys: Any) -> None:
    named = [str(installed_bundle()) if word == "BASE" else word for word in arguments]
    assert main(["export", *named, "--out", str(tmp_path / "mine")]) == 2
    assert "Name the run directory" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
