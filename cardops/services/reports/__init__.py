"""Gather and render the daily report."""
