"""Run pytest on the given files inside Blender's interpreter, then leave at once.

An add-on's class or handler that is still registered makes Blender hang or crash while the
process ends, after every result is known; ``os._exit`` skips that end.
"""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    # No configuration of the project: the installed extension is tested, not the working copy.
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", here, "--import-mode=importlib"]
    code = int(pytest.main([*options, "--timeout=600", *sys.argv[1:]]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
