"""The Dagster UI as Cardops serves it."""
