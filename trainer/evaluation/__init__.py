"""Evaluation: what is measured of every sky generator, beside real captures and the system of 2021."""
