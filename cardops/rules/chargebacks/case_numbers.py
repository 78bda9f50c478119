"""The case number of a dispute that came without one."""

import hashlib


def derived_case_number(network: str, transaction_id: str, dispute_date: str, reason: str) -> str:
    """The same four words give the same case, in every file and on every run."""
    told = "\x1f".join((network, transaction_id, dispute_date[:10], reason))
    return f"C-{hashlib.sha256(told.encode()).hexdigest()[:20]}"
