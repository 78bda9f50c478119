"""Mappings of senders' files: tried on a file, and proposed for one that nobody knows."""
