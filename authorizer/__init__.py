"""The FastAPI sidecar that decides authorization requests of partners."""
