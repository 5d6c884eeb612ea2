"""SkyGen trainer: training."""
