"""Reading a sky from a panorama: sun, light, clouds, and the settings that look alike."""
