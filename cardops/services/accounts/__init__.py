"""Use cases on accounts: recalls of deposits, spending limits."""
