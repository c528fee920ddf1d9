"""Quotas: providers with hidden limits and penalties, drawn by seed, for rehearsing."""
