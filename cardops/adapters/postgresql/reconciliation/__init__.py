"""What reconciliation and the transaction log read from PostgreSQL."""
