"""Match HDRI: a panorama measured in a process of its own, and the settings that came of it."""
