"""Decisions on spending and what may follow them."""
