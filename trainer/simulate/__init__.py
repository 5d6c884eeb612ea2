"""SkyGen trainer: simulate."""
