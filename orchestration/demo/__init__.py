"""`cardops demo`: one day of card operations."""
