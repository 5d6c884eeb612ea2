"""The panels: World properties and the sidebar of the 3D view."""
