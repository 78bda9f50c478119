"""Contracts as partners get them: a JSON Schema for each version, with files that are valid under it.

The published versions are in docs/schemas. A version may grow, but what was valid under it stays
valid; a change that accepts less needs a raised version. Tests and `publishing` compare.
"""
