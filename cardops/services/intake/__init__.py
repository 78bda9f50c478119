"""Claim and ingest input files."""
