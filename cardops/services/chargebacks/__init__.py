"""Build chargeback files."""
