"""The sun: where it stands, its lamp, and how texture and lamp stay one sun."""
