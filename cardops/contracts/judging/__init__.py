"""Rows against their contract: failures, references, versions, quarantine."""
