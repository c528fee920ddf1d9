"""Filters: milter-style judges of a letter, a file each; they propose, the pipeline applies."""
