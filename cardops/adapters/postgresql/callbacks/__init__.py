"""The callback outbox on PostgreSQL."""
