"""The engine as Blender starts it: model, Python, device, preferences."""
