"""Commands, listings and checks, over a store in memory and a real shaper."""
