"""Signed callbacks to partners: retries, endpoints, secrets, allowed URLs."""
