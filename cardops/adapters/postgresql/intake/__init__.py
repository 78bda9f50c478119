"""The intake ledger on PostgreSQL."""
