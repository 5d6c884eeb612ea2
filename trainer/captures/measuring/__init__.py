"""What one panorama shows: sun, sky mask, clouds, exposure, state and verdict."""
