"""Frames from requests: ONNX Runtime, OpenEXR and the core."""
