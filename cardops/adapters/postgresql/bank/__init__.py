"""SQL about bank accounts."""
