"""Presets: the gallery of shipped and own ones, what is chosen, and thumbnails."""
