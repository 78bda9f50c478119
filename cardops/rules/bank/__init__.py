"""What the bank's money must equal."""
