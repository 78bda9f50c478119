"""Card programs, their API keys and rate limits."""
