"""Kept for the dg command, which looks here; composition is explicit in definitions.py."""
