"""Figures of moving skies: random access, loops, endlessness, flow, sticking, steadiness, resolution."""
