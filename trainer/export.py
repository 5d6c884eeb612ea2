"""``python -m trainer export RUN``: trained networks to a model bundle, checked before it replaces another."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skygen_addon.core.bundle import CARD_FILE, DESCRIPTION_FILE, Bundle, graph_hashes, load_bundle
from skygen_addon.core.errors import BundleError, OutputError
from skygen_addon.core.signatures import ENGINE_SCHEMA

from .bundle_folder import check_name, check_replaceable, replace_bundle
from .model_card import card_with_base, card_with_shading, card_with_types, kept_card, licence_words, model_card
from .networks.field_export import described_lattices, export_fields, learned_weights
from .networks.field_generator import LEARNED_TYPES, FieldGenerator
from .networks.procedural_field import FIELD_LATTICE, ProceduralField
from .training.field import load_field
from .training.record import manifest_hash, read_record
from .training.shade import SHADE_DISC, export_shade, load_shade
from .training.weather import export_weather

LIMITS_FILE = "limits.md"
"""Written by hand into a run directory: what falls short; goes into the model card."""
BUNDLES_FOLDER = Path("bundles")
"""Where bundles are written when no ``--out`` is given, in the working folder: never among those that ship."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command-line options of ``export``."""
    parser.add_argument("run_dir", type=Path, nargs="?", metavar="RUN", help="run directory written by train")
    parser.add_argument("--data", type=Path, default=Path("data/captures"), help="data folder that the run used")
    parser.add_argument("--out", type=Path, help="bundle folder (default: bundles/NAME)")
    parser.add_argument("--name", default="skygen_quick", help="name of the bundle: letters, digits, _ and -")
    parser.add_argument(
        "--field",
        choices=("learned", "procedural", "kept"),
        default="learned",
        help="which field the bundle carries; kept: the learned weights of --base in this version's procedural parts",
    )
    parser.add_argument(
        "--learned-types",
        nargs="+",
        choices=LEARNED_TYPES,
        metavar="TYPE",
        help=f"cloud types that the learned field changes, others stay procedural (all of {', '.join(LEARNED_TYPES)}, "
        "or those of a kept field)",
    )
    parser.add_argument(
        "--base",
        type=Path,
        metavar="BUNDLE",
        help="take all but the field from this bundle; RUN is read for a learned one",
    )
    parser.add_argument("--shading", action="store_true", help="with --base: take the shading from RUN, too")


def _figures(run: Path, stages: Sequence[str]) -> dict[str, Any]:
    """Metrics of the stages, as the trainings wrote them."""
    figures: dict[str, Any] = {}
    for stage in sorted(stages):
        path = run / stage / "metrics.json"
        try:
            figures[stage] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleError(
                f"{path} cannot be read: {error}.", f"Train the stage again: --only {stage} --out {run}."
            ) from error
        if not isinstance(figures[stage], dict) or not figures[stage]:
            raise BundleError(f"{path} holds no figures.", f"Train the stage again: --only {stage} --out {run}.")
    return figures


def _manifest_hash(data: Path, record: dict[str, Any]) -> str:
    """sha256 of the captures' manifest, which must be the one that the field was trained with."""
    found, remedy = manifest_hash(data), "Name the data folder of the training with --data."
    if found is None:
        raise BundleError(f"{data / 'manifest.jsonl'} is missing.", remedy)
    trained = record["stages"].get("field", {}).get("manifest_sha256")
    if trained not in (None, found):
        raise BundleError(
            f"{data / 'manifest.jsonl'} is not the one that the field was trained with.",
            f"{remedy[:-1]}, or train the field again.",
        )
    return found


def write_description(folder: Path, described: dict[str, Any]) -> None:
    """Write model.json with the sha256 of the graphs that lie beside it.

    Parameters
    ----------
    folder : Path
        Bundle folder with its graphs.
    described : dict
        Everything else that model.json states; an older ``graphs`` in it is replaced.

    Raises
    ------
    BundleError
        If a graph is missing.
    """
    text = json.dumps({**described, "graphs": graph_hashes(folder)}, indent=1) + "\n"
    (folder / DESCRIPTION_FILE).write_text(text, encoding="utf-8")


def write_bundle(
    run: Path, data: Path, out: Path, name: str, field: str = "learned", *, learned_types: Sequence[str] | None = None
) -> Bundle:
    """Export every network of a run and write the bundle as a whole or not at all.

    Parameters
    ----------
    run, data : Path
        Run directory and data folder.
    out : Path
        Bundle folder; an older bundle there is replaced when the new one has passed its checks.
    name : str
        Name in the description: letters, digits, ``_`` and ``-``.
    field : str
        "learned" or "procedural".
    learned_types : sequence of str, optional
        Cloud types that a learned field changes; by default all that it has learned.

    Raises
    ------
    BundleError
        If a checkpoint is missing, the run does not say how its networks were trained and from
        what, or the result does not fit the contracts.
    OutputError
        If the folder cannot be written, or holds anything that is not a bundle's.
    RequestError
        If the name has other characters.
    """
    check_name(name)
    check_replaceable(out)
    stages = ("weather", "shade", "field") if field == "learned" else ("weather", "shade")
    record = read_record(run, stages)
    figures, training_manifest = _figures(run, stages), _manifest_hash(data, record)
    limits = (run / LIMITS_FILE).read_text(encoding="utf-8") if (run / LIMITS_FILE).is_file() else ""
    card = model_card(name, field, record, figures, data / "manifest.jsonl", limits)
    with _staged(out) as staging:
        module = load_field(run / "field") if field == "learned" else ProceduralField()
        card = _limited(module, learned_types, card)
        export_fields(module, staging)
        export_shade(load_shade(run / "shade"), staging / "shade.onnx")
        scale = export_weather(run / "weather" / "weather.pt", staging / "weather.onnx")
        described = {
            "schema": ENGINE_SCHEMA,
            "name": name,
            **described_lattices(),
            "weather": dataclasses.asdict(scale),
            "disc_size": SHADE_DISC,
            "training_manifest_sha256": training_manifest,
            "licence": licence_words(data / "manifest.jsonl"),
            "figures": figures,
        }
        write_description(staging, described)
        (staging / CARD_FILE).write_text(card, encoding="utf-8")
    return load_bundle(out)


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` to write a bundle into; when that is done and passes its checks it takes its place."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise OutputError(f"{out.parent} cannot be written: {error}.", "Choose another folder with --out.") from error
    try:
        yield staging
        staging.chmod(0o755)
        load_bundle(staging)
        replace_bundle(out, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_with_base(
    base: Path,
    run: Path | None,
    out: Path,
    name: str,
    field: str,
    *,
    shading: bool = False,
    learned_types: Sequence[str] | None = None,
) -> Bundle:
    """Write a bundle that takes all but its field, and perhaps its shading, from another one.

    Parameters
    ----------
    base : Path
        Bundle of which the rest is kept as it is; ``out`` may be the same folder.
    run : Path or None
        Run directory of the field and the shading; a procedural or kept field needs none.
    out, name
        As in :func:`write_bundle`.
    field : str
        "learned", "procedural", or "kept": the base's learned weights, exported with today's procedural parts.
    shading : bool
        Whether the run's shading takes the place of the base's.
    learned_types : sequence of str, optional
        As in :func:`write_bundle`; by default a kept field's stay as they are.

    Raises
    ------
    BundleError
        If the base is damaged or has other windows, holds no learned field that could be kept, or the run does not
        say how what is taken from it was trained.
    OutputError, RequestError
        As in :func:`write_bundle`.
    """
    check_name(name)
    check_replaceable(out)
    old = load_bundle(base)
    if dataclasses.replace(old.lattice, noise=FIELD_LATTICE.noise) != FIELD_LATTICE:
        raise BundleError(f"{base} has other windows than this engine's fields.", "Export a whole run instead.")
    figures = {stage: value for stage, value in old.figures.items() if stage != "field" or field == "kept"}
    record: dict[str, Any] = {}
    stages = (("field",) if field == "learned" else ()) + (("shade",) if shading else ())
    if stages:
        if run is None:
            raise BundleError("A learned field or shading comes from a run.", "Name the run directory.")
        record, figures = read_record(run, stages), {**figures, **_figures(run, stages)}
    limits = (run / LIMITS_FILE).read_text(encoding="utf-8") if run and (run / LIMITS_FILE).is_file() else ""
    base_card = (base / CARD_FILE).read_text(encoding="utf-8")
    if field == "kept":
        card = kept_card(name, base_card)
    else:
        card = card_with_base(name, field, record, figures, base_card, limits)
    if shading:
        card = card_with_shading(card, record["stages"]["shade"], figures["shade"])
    described = json.loads((base / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    described |= {"name": name, **described_lattices(), "figures": figures}
    with _staged(out) as staging:
        shutil.copyfile(base / "weather.onnx", staging / "weather.onnx")
        if run is not None and shading:
            export_shade(load_shade(run / "shade"), staging / "shade.onnx")
        else:
            shutil.copyfile(base / "shade.onnx", staging / "shade.onnx")
        module = _field_module(field, run, base)
        card = _limited(module, learned_types, card)
        export_fields(module, staging)
        write_description(staging, described)
        (staging / CARD_FILE).write_text(card, encoding="utf-8")
    return load_bundle(out)


def _field_module(field: str, run: Path | None, base: Path) -> FieldGenerator | ProceduralField:
    """The field that :func:`write_with_base` exports."""
    if field == "kept":
        return learned_weights(base / "field.onnx")
    return load_field(run / "field") if run is not None and field == "learned" else ProceduralField()


def _limited(module: FieldGenerator | ProceduralField, learned_types: Sequence[str] | None, card: str) -> str:
    """Let a learned field change some types only, where they are given; returns the card that says so."""
    if learned_types is None:
        return card
    if not isinstance(module, FieldGenerator):
        raise BundleError("A procedural field has learned no types.", "Leave out --learned-types.")
    module.learn_types(learned_types)
    return card_with_types(card, module.learned_types)


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle and say where it is."""
    out = BUNDLES_FOLDER / arguments.name if arguments.out is None else arguments.out
    if arguments.base is not None:
        taken = (arguments.run_dir, out, arguments.name, arguments.field)
        types = arguments.learned_types
        bundle = write_with_base(arguments.base, *taken, shading=arguments.shading, learned_types=types)
    elif arguments.field == "kept" or arguments.shading:
        raise BundleError("A kept field is that of another bundle.", "Name the bundle with --base.")
    elif arguments.run_dir is None:
        raise BundleError(
            "RUN is missing.", "Name the run directory, or a bundle with --base; export --help tells more."
        )
    else:
        whole = (arguments.run_dir, arguments.data, out, arguments.name, arguments.field)
        bundle = write_bundle(*whole, learned_types=arguments.learned_types)
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {bundle.name}, {size / 1e6:.1f} MB, identity {bundle.identity[:12]}")
    print(f"Next: python -m skygen_addon bake --bundle {out} --out sky")
    return 0
