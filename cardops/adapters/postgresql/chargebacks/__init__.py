"""Chargeback batches, and what operators do with disputes, in PostgreSQL."""
