"""Accounts: balances and spending limits."""
