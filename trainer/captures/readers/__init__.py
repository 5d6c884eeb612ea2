"""Capture files to linear pictures: formats, projections and what had to be mended."""
