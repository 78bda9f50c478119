"""Sample files in the two shapes that people already have, with what must become of them.

The proof of concept's chargebacks, and a shop's transactions, orders and chargebacks.
"""

import json
from pathlib import Path
from typing import Any

PROVIDERS = ("visa", "mastercard", "amex", "discover", "paypal")
STATUSES = ("open", "won", "lost", "pending_response", "resolved", "pending")


def poc_rows(count: int, *, prefix: str = "TXN") -> list[dict[str, Any]]:
    """Rows that name no network: a masked card, amounts as JSON numbers."""
    reasons = (
        "Fraudulent transaction",
        "Product not received",
        "=Unauthorized",
        "Duplicate charge",
    )
    return [
        {
            "transaction_id": f"{prefix}{number:06d}",
            "card_number": f"****{1234 + number}",
            "amount": 100.10 + number,
            "currency": "USD",
            "merchant_id": f"MERCH{number % 5:03d}",
            "merchant_name": f"Shop {number % 5}, Ltd.",
            "transaction_date": f"2026-01-{1 + number % 28:02d}T10:30:00Z",
            "chargeback_reason": reasons[number % len(reasons)],
            "chargeback_amount": 50.25 + number,
            "dispute_date": f"2026-02-{1 + number % 28:02d}T14:25:00Z",
            "case_number": f"CB{prefix}{number:05d}",
            "status": STATUSES[number % len(STATUSES)],
        }
        for number in range(1, count + 1)
    ]


def shop_orders(count: int) -> list[dict[str, Any]]:
    return [
        {
            "order_id": f"ORD-{number:04d}",
            "customer_id": f"CUST-{number % 4}",
            "timestamp": f"2026-03-{number:02d}T09:15:00",
            "total_amount": 30.00 + number,
            "currency": "USD",
            "items": [
                {"product_id": f"P-{number}", "quantity": 2, "unit_price": 15.00},
                {"product_id": "SHIPPING", "quantity": 1, "unit_price": float(number)},
            ],
            "payment_status": "failed" if number % 6 == 0 else "paid",
        }
        for number in range(1, count + 1)
    ]


def shop_transactions(count: int, *, prefix: str = "TXN-", first: int = 1) -> list[dict[str, Any]]:
    """The provider names the network in turn; every fifth is a wallet that names none."""
    return [
        {
            "transaction_id": f"{prefix}{number:04d}",
            "order_id": f"ORD-{number:04d}",
            "timestamp": f"2026-03-{number:02d}T09:15:05",
            "amount": 30.00 + number,
            "currency": "USD",
            "status": "failed" if number % 6 == 0 else "completed",
            "payment_method": {
                "type": "digital_wallet" if number % 5 == 0 else "credit_card",
                "provider": PROVIDERS[(number - 1) % 5],
            },
            "error_code": "insufficient_funds" if number % 6 == 0 else None,
        }
        for number in range(first, first + count)
    ]


SHOP_CHARGEBACKS = """\
transaction_id,dispute_date,amount,reason_code,status,resolution_date
TXN-0001,2026-03-20,31.00,10.4,open,
TXN-0002,2026-03-21,32.00,4853,won,2026-04-02
TXN-0003,2026-03-21,10.00,,lost,2026-04-03
TXN-0004,2026-03-22,34.00,,pending_response,
TXN-0007,2026-03-22,37.00,,resolved,2026-04-04
TXN-0008,2026-03-23,38.00,,pending,
TXN-0005,2026-03-23,35.00,,open,
TXN-9999,2026-03-24,9.99,,open,
TXN-0009,2026-03-24,-39.00,,open,
"""


def write(path: Path, content: list[dict[str, Any]] | str) -> Path:
    """A JSON array, or text as it is."""
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return path
