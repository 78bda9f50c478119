"""Text columns to typed columns: money, time, networks, order items."""
