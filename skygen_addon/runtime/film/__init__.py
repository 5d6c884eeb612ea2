"""A sky that plays: stills drawn ahead, and what lies between them carried."""
