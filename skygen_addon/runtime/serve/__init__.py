"""A warm process that renders what it is asked for, for the live preview."""
