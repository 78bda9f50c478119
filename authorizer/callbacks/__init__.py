"""Callback sending."""
