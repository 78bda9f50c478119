"""Dagster resources, a few lines each over cardops.bootstrap: one adapter for each port."""
