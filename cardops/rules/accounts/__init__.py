"""What accounts must satisfy: ledger identities and spending limits."""
