"""Bakes: what is written where, the process that does it, and the sequence that a world then shows."""
