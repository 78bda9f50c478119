"""Sending callbacks: lease what is due, sign, call the endpoint, record the result, look after endpoints."""
