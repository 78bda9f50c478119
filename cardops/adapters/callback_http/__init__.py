"""The HTTP client of callbacks, with a check of every address it connects to."""
