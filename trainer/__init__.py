"""SkyGen trainer: trainer."""
