"""Compare the bank's figures with our own."""
