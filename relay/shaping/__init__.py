"""Shaping: how fast, how many at once, and when to stop; pure, `now` is handed in."""
