"""The trainer's commands: ``python -m trainer fetch | ingest | curate | simulate | train | evaluate | export``.

Each command lives in a module of its own with ``add_arguments(parser)`` and ``run(arguments)``;
this file only finds them.
Exit codes: 0 done, 2 the request or the environment is at fault, 1 a defect (traceback).
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from skygen_addon.core.errors import RequestError, SkyGenError

COMMANDS: dict[str, tuple[str, str]] = {
    "fetch": ("trainer.captures.fetch.fetch.run", "fetch sky panoramas of Poly Haven into a folder for ingest"),
    "ingest": ("trainer.captures.ingest.run", "read sky captures into curated, calibrated training data"),
    "curate": ("trainer.captures.curate.run", "draw the contact sheet and apply manual verdicts"),
    "simulate": ("trainer.simulate.generate.run", "render labelled skies with the reference ray-marcher"),
    "train": ("trainer.training.run.run", "train a recipe's networks"),
    "evaluate": ("trainer.evaluation.evaluate.run", "compare skies of a bundle and others with real captures"),
    "export": ("trainer.export.run", "write the trained networks as a model bundle"),
}
"""Command name -> (module and function, one line of help)."""


class _Parser(argparse.ArgumentParser):
    """Reports bad arguments, those of commands too, like every other bad request."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one trainer command and return its exit code.

    Only the module of the command that was asked for is imported, so ``ingest`` does not wait
    for torch.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(prog="python -m trainer", description="Train SkyGen's sky generator.")
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (target, text) in COMMANDS.items():
        command_parser = choices.add_parser(name, help=text, description=text)
        if name in words[:1]:
            module, _, function = target.rpartition(".")
            try:
                loaded = importlib.import_module(module)
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] in ("trainer", "skygen_addon"):
                    raise
                print(f"trainer {name}: {error.name} is not installed. Run: pip install '.[trainer]'", file=sys.stderr)
                return 2
            loaded.add_arguments(command_parser)
            command_parser.set_defaults(run=getattr(loaded, function))
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its font cache
    speaker = f"trainer {words[0]}" if words[:1] and words[0] in COMMANDS else "trainer"
    try:
        arguments = parser.parse_args(words)
        return int(arguments.run(arguments))
    except SkyGenError as error:
        print(f"{speaker}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{speaker}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
