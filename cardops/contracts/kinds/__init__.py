"""The input kinds, declared once each."""
