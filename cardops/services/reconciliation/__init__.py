"""Reconcile a business date."""
