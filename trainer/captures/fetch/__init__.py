"""Captures from public libraries: asked for politely, checked, and noted with their licence."""
