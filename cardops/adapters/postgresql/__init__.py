"""PostgreSQL adapters: accounts, authorizations, callbacks, intake, deliveries, programs."""
