"""SkyGen trainer: captures."""
