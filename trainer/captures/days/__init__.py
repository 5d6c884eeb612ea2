"""Time-lapse days of an upward fisheye camera: geometry, sun and weather per frame."""
