"""``python -m skygen_addon bake | frame | bench | presets | thumbnails | serve``: skies without Blender."""

from __future__ import annotations

import sys

from .runtime.command.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
