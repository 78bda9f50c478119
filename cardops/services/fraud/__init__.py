"""Fraud rings: computed every night, and shown to people."""
