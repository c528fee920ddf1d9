"""lpse-relay: takes LPSE's letters, makes them safe, and carries each to its vendor's provider."""

__version__ = "0.1.0"
