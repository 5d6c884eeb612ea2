"""The live preview: one warm process that renders what is asked for, and its pictures in the world."""
