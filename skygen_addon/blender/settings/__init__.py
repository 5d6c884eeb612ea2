"""What the artist sets: the properties behind World.skygen, and their values as the engine takes them."""
