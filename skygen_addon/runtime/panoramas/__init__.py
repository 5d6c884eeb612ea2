"""Radiance and OpenEXR pictures of the sky to panoramas."""
