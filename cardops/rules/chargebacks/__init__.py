"""Disputes, their routing, and the at most four files of a batch."""
