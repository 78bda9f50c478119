"""Disputed money given back to users: what is due, and posting it."""
