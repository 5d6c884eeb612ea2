"""The trainer's commands: ``python -m trainer ingest | curate | simulate | train | export``.

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

from skygen_addon.core.errors import SkyGenError

COMMANDS: dict[str, tuple[str, str]] = {
    "ingest": ("trainer.captures.ingest.run", "read sky captures into curated, calibrated training data"),
    "curate": ("trainer.captures.curate.run", "draw the contact sheet and apply manual verdicts"),
    "simulate": ("trainer.simulate.generate.run", "render labelled skies with the reference ray-marcher"),
    "train": ("trainer.training.run.run", "train a recipe's networks"),
    "export": ("trainer.export.run", "write the trained networks as a model bundle"),
}
"""Command name -> (module and function, one line of help)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one trainer command and return its exit code.

    Only the module of the command that was asked for is imported, so ``ingest`` does not wait
    for torch.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Train SkyGen's sky generator.")
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (target, text) in COMMANDS.items():
        command_parser = choices.add_parser(name, help=text, description=text)
        if name in words[:1]:
            module, _, function = target.rpartition(".")
            loaded = importlib.import_module(module)
            loaded.add_arguments(command_parser)
            command_parser.set_defaults(run=getattr(loaded, function))
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return int(arguments.run(arguments))
    except SkyGenError as error:
        print(f"trainer {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"trainer {arguments.command}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
