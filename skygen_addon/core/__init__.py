"""The sky's contracts and scalar models: standard library and numpy only."""
