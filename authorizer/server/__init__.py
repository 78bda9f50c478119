"""Everything below HTTP routing: the protocol, its limits, graceful shutdown."""
