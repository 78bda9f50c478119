"""Use cases on card programs and their API keys."""
