"""The money, the intake ledger and the delivery ledger, in PostgreSQL."""
