"""Chargeback batches in PostgreSQL."""
