"""Figures of single panoramas: suns, range, seam, zenith, structure, irradiance."""
