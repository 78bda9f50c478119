"""Money given back to a user while a purchase is disputed: policies, their clocks, and what is due."""
