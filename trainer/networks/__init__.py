"""Torch modules that are exported to graphs: the single source of per-pixel work."""
