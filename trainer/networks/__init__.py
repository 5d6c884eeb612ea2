"""SkyGen trainer: networks."""
