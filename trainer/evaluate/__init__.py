"""SkyGen trainer: evaluate."""
