"""Authorization decisions, and the actions that may follow them."""
