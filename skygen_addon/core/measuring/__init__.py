"""What a panorama of a real sky shows: sun, clouds, haze, exposure. For training, and to match a sky."""
