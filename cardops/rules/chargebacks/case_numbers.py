"""The case number of a dispute that has none in its file."""

import hashlib


def derived_case_number(
    network: str,
    transaction_id: str,
    dispute_date: str,
    reason: str,
    *,
    amount_minor: int | None,
    currency: str,
) -> str:
    """The same six values give the same case number, in every file and on every run.

    The amount is in minor units, so that 20.0 and 20.00 are the same one: two partial disputes of one
    transaction, made on one day for one reason, differ by it.
    """
    amount = "" if amount_minor is None else str(amount_minor)
    identity = "\x1f".join(
        (network, transaction_id, dispute_date[:10], reason, amount, currency.upper())
    )
    return f"C-{hashlib.sha256(identity.encode()).hexdigest()[:20]}"
