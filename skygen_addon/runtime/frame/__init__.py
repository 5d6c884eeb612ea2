"""One frame, from the request to the panorama: weather, layers, shading, tiles, the sun."""
