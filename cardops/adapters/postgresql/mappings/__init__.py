"""Mappings of senders' files on PostgreSQL."""
