"""Authorizations on PostgreSQL."""
