"""Deliver chargeback files."""
