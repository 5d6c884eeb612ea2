"""The command line without Blender: ``python -m skygen_addon bake | frame | ...``; ``--help`` lists all commands.

Exit codes: 0 done, 2 the request or the environment is at fault (one line and its remedy on
stderr), 1 a defect (traceback).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.bundle import installed_bundle, load_bundle
from ...core.engine_identity import engine_identity
from ...core.errors import OutputError, RequestError, SkyGenError
from ...core.frames import MAX_FRAME, parse_frames
from ...core.job import JOB_FILE, PIXEL_FORMATS, SkyJob, read_job, request_digest
from ...core.job_record import job_record
from ...core.loop import LoopMotion
from ...core.presets import load_preset, preset_names
from ...core.whole_file import output_error, whole_file
from ..bake.bake import LoadRenderer, bake, load_renderer
from ..bake.frame_pictures import check_pictures, draw_picture
from ..bake.output_folder import check_folder, prepare_folder
from ..bake.progress import INTERRUPTED, error_line, json_line, stop_at_end_of_input, text_line
from ..devices import CPU, available_devices, check_device, loading_on
from ..exr import write_exr
from ..serve.serve import serve_standard_streams
from ..thumbnail import make_thumbnails, thumbnail_options
from .bench import difference, measure, measure_drafts, parse_widths, report, table
from .bench_playing import measure_playing, serve_command
from .command_parser import DEFAULT_FRAMES, command_parser
from .notes import tell_bent_winds, tell_night, tell_strangers
from .sky_options import SkyOptions, given_sky_options, sky_options

OTHER_PICTURES = (".png", ".jpg", ".jpeg", ".hdr", ".tif", ".tiff")
"""Endings of --out that ask for a file that a frame is not."""
NOBODY_READS = 141
"""Exit code when whoever read the output is gone (``| head -1``), as shells state it for that signal."""


def main(argv: Sequence[str], load: LoadRenderer = load_renderer) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str
        Arguments after the program's name.
    load : callable
        Makes the renderer.

    Returns
    -------
    int
        Exit code 0, 2, 130 (interrupted) or 141 (nobody reads the output any more); a defect rises as its
        exception.
    """
    try:
        code = _run(argv, load)
        print(end="", flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is still buffered is flushed there when Python ends
        return NOBODY_READS
    return code


def _run(argv: Sequence[str], load: LoadRenderer) -> int:
    """The command's exit code; see :func:`main`."""
    runs = {"bake": _bake, "frame": _frame, "bench": _bench, "presets": _presets, "thumbnails": _thumbnails}
    runs |= {"serve": _serve, "match": _match}
    arguments = None
    try:
        arguments = command_parser().parse_args(argv)
        runs[arguments.command](arguments, load if arguments.command == "bench" else _on_device(arguments, load))
    except SkyGenError as error:
        if getattr(arguments, "progress", None) == "json":
            print(error_line(error), flush=True)
        print(f"skygen: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        baked = getattr(arguments, "command", None) == "bake"
        kept = "; finished frames are kept, --skip-existing goes on from there" if baked else ""
        print(f"skygen: interrupted{kept}.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _bake(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    gate = stop_at_end_of_input() if arguments.stop_at_end_of_input else None
    threads, folder = _threads(arguments), _bundle_folder(arguments)
    if arguments.job is None:
        job, bent = _job_of_options(arguments, folder)
        record = True
    else:
        job, bent = _job_of_file(arguments), []
        record = arguments.job.resolve() != (job.folder / JOB_FILE).resolve()
    check_folder(job.folder)
    check_pictures(job)
    text = arguments.progress == "text"
    if text:
        strangers = job_record(job).strangers if record else ()
        tell_bent_winds(bent)
        tell_night(job.requests)
        frames = "1 frame" if len(job.frames) == 1 else f"{len(job.frames)} frames"
        print(f"{frames} of {job.requests[0].width} px into {job.folder}", flush=True)
        tell_strangers(job, strangers)
    started = time.perf_counter()
    result = bake(
        job,
        folder,
        on_progress=lambda progress: print(text_line(progress) if text else json_line(progress), flush=True),
        skip_existing=arguments.skip_existing,
        should_cancel=None if gate is None else gate.is_shut,
        record=record,
        threads=threads,
        load=load,
    )
    seconds = time.perf_counter() - started
    if text:
        print(f"done in {seconds:.1f} s: {len(result.written)} written, {len(result.skipped)} kept, in {job.folder}")


def _job_of_options(arguments: argparse.Namespace, bundle_folder: Path) -> tuple[SkyJob, list[LoopMotion]]:
    """The job that the options describe, and what its loop does to the wind."""
    if arguments.out is None:
        raise RequestError("There is no output folder.", "Give --out DIR.")
    sky = sky_options(arguments)
    if arguments.frames is not None:
        frames = parse_frames(arguments.frames)
    elif sky.loop is not None:
        frames = parse_frames(f"{sky.first_frame}-{sky.first_frame + max(sky.loop, 1) - 1}")
    else:
        frames = parse_frames(DEFAULT_FRAMES)
    pixel_format = _pixel_format(arguments.format or "auto")
    bundle = load_bundle(bundle_folder)
    job = SkyJob(
        bundle_name=bundle.name,
        bundle_identity=bundle.identity,
        frames=frames,
        requests=tuple(sky.requests(frames, bundle)),
        folder=arguments.out,
        pixel_format=pixel_format,
        compression=arguments.compression or "zip",
        pictures=arguments.pictures or "none",
    )
    return job, sky.bent_winds(bundle)


def _job_of_file(arguments: argparse.Namespace) -> SkyJob:
    """The job of ``--job``, perhaps some of its frames or elsewhere."""
    given = given_sky_options(arguments)
    if given:
        raise RequestError(
            f"--{given[0].replace('_', '-')} does not go with --job, which holds finished requests.",
            "Leave it out, or bake from a preset.",
        )
    job = read_job(arguments.job)
    if arguments.out is not None:
        job = dataclasses.replace(job, folder=arguments.out)
    if arguments.format is not None:
        job = dataclasses.replace(job, pixel_format=_pixel_format(arguments.format))
    if arguments.compression is not None:
        job = dataclasses.replace(job, compression=arguments.compression)
    if arguments.pictures is not None:
        job = dataclasses.replace(job, pictures=arguments.pictures)
    if arguments.frames is not None:
        job = job.select(parse_frames(arguments.frames))
    return job


def _frame(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    sky, number, pixel_format = sky_options(arguments), arguments.frame, _pixel_format(arguments.format)
    if not 0 <= number <= MAX_FRAME:
        raise RequestError(f"--frame is {number}.", f"Give a frame from 0 to {MAX_FRAME}.")
    threads, folder = _threads(arguments), _bundle_folder(arguments)
    bundle = load_bundle(folder)
    (request,) = sky.requests([number], bundle)
    if arguments.out.suffix.lower() in OTHER_PICTURES:
        raise RequestError(
            f"--out is {arguments.out}.", "Give an .exr file or a folder; --png adds a picture beside it."
        )
    path = arguments.out if arguments.out.suffix.lower() == ".exr" else arguments.out / f"sky_{number:04d}.exr"
    preview = path.with_suffix(".png")
    for file in (path, preview) if arguments.png else (path,):
        _check_file(file)
    tell_bent_winds(sky.bent_winds(bundle))
    tell_night([request])
    radiance = load(folder, threads).render(request)
    prepare_folder(path.parent)
    digest = request_digest(request, bundle.identity, engine_identity())
    write_exr(path, radiance, pixel_format=pixel_format, request_digest=digest)
    print(path)
    if arguments.png:
        draw_picture(path, preview, digest)
        print(preview)


def _bench(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    widths, controls = parse_widths(arguments.widths), SkyOptions(preset=arguments.preset).controls()
    if not 1 <= arguments.repeat <= 1000:
        raise RequestError(f"--repeat is {arguments.repeat}.", "Give from 1 to 1000.")
    threads, folder = _threads(arguments), _bundle_folder(arguments)
    load_bundle(folder)
    if arguments.out is not None:
        _check_file(arguments.out)
    load_on_device = _on_device(arguments, load)
    started = time.perf_counter()
    renderer = load_on_device(folder, threads)
    load_s = time.perf_counter() - started
    rows = measure(renderer, controls, widths, arguments.repeat, lambda line: print(line, file=sys.stderr, flush=True))
    apart = 0.0 if arguments.device == CPU else difference(renderer, load(folder, threads), controls, min(widths))
    devices: dict[str, Any] = {"device": arguments.device, "devices": available_devices(), "difference_to_cpu": apart}
    drafts = measure_drafts(renderer, controls) if arguments.drafts else None
    playing = measure_playing(serve_command(folder, threads, arguments.device), controls) if drafts else None
    text = json.dumps(report(renderer, rows, load_s, **devices, drafts=drafts, playing=playing), indent=2)
    print(table(rows, load_s, drafts, playing))
    if arguments.out is None:
        print(text)
        return
    prepare_folder(arguments.out.parent)
    with whole_file(arguments.out) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(arguments.out)


def _presets(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    for name in preset_names():
        print(f"{name:16s}{load_preset(name).description}")


def _thumbnails(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    if arguments.stop_at_end_of_input:
        stop_at_end_of_input()
    presets, size = thumbnail_options(arguments)
    threads, folder = _threads(arguments), _bundle_folder(arguments)
    check_folder(arguments.out)
    renderer = load(folder, threads)
    prepare_folder(arguments.out)
    for path in make_thumbnails(presets, arguments.out, renderer, size):
        print(path, flush=True)


def _match(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    from .match_command import run_match  # brings OpenEXR along, which only a process of its own may load

    if arguments.stop_at_end_of_input:
        stop_at_end_of_input()
    threads, folder = _threads(arguments), _bundle_folder(arguments)
    load_bundle(folder)
    run_match(arguments, lambda: load(folder, threads))


def _serve(arguments: argparse.Namespace, load: LoadRenderer) -> None:
    threads, folder = _threads(arguments), _bundle_folder(arguments)
    serve_standard_streams(lambda: load(folder, threads), arguments.folder)


def _bundle_folder(arguments: argparse.Namespace) -> Path:
    return installed_bundle() if arguments.bundle is None else Path(arguments.bundle)


def _on_device(arguments: argparse.Namespace, load: LoadRenderer) -> LoadRenderer:
    """``load`` for the device of ``--device``; RequestError where there is no such device."""
    device: str = getattr(arguments, "device", CPU)
    return load if device == CPU else loading_on(check_device(device), load)


def _threads(arguments: argparse.Namespace) -> int | None:
    threads: int | None = arguments.threads
    if threads is not None and not 1 <= threads <= 1024:
        raise RequestError(f"--threads is {threads}.", "Give from 1 to 1024, or leave it out.")
    return threads


def _pixel_format(name: str) -> str:
    if name not in PIXEL_FORMATS:
        raise RequestError(f"--format is {name!r}.", f"Use one of {', '.join(PIXEL_FORMATS)}.")
    return name


def _check_file(path: Path) -> None:
    """Make sure, before anything is rendered for it, that a file can be written there. Raises OutputError."""
    try:
        folder = path.is_dir()
    except OSError as error:
        raise output_error(path, error) from error
    if folder:
        raise OutputError(f"{path} is a folder.", "Give --out the name of a file.")
    check_folder(path.parent)
