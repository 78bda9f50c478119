"""Accounts, deposits and spending limits on PostgreSQL."""
