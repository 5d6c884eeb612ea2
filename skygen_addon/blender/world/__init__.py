"""The sky's nodes in an artist's world, what the camera sees of it, and how it goes again."""
