"""A sky job: every frame's file, once, and what is said meanwhile."""
