"""Dagster assets, one file per subject, each with its asset checks beside it."""
