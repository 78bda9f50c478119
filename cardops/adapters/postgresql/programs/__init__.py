"""Card programs and API keys on PostgreSQL."""
