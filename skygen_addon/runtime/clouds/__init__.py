"""The clouds of a layer: noise through the field's graph, windows around the camera, the sun's light in them."""
