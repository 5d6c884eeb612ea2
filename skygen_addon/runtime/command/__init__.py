"""The command line: ``python -m skygen_addon``."""
