"""Disputed money given back to users, on PostgreSQL."""
