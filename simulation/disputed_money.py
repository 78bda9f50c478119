"""Disputed purchases of a program under Regulation E, and what must become of their money.

Belongs here: the files, and the expected figures by adding up, without any code of the pipeline. One
credit stands, one is made final because the merchant lost, one is taken back because the merchant
had refunded the purchase. A fourth purchase was never paid: nothing is given back, and the program
holds its dispute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

DEPOSITED_MINOR: Final = 100_00
BOUGHT_DAYS_AGO: Final = 40
# More than ten business days, so that the credit is due.
TOLD_DAYS_AGO: Final = 20
INVESTIGATION_DAYS: Final = 90
# What the program holds back, which the demo has to set before.
HELD_FOR: Final = "failed_payment"


@dataclass(frozen=True, slots=True)
class DisputedPurchase:
    """Who bought for how much, what the dispute's report says, and whether it was refunded later.

    `is_paid`: whether the payment went through.
    """

    user_id: str
    amount_minor: int
    status: str
    is_refunded: bool = False
    is_paid: bool = True

    @property
    def case_number(self) -> str:
        """Of the only dispute of the purchase."""
        return f"money-{self.user_id}"

    @property
    def transaction_id(self) -> str:
        """Of the purchase."""
        return f"txn-{self.user_id}"


PURCHASES: Final = (
    DisputedPurchase("ana", 40_00, "open"),
    DisputedPurchase("ben", 25_00, "lost"),
    DisputedPurchase("eve", 15_00, "open", is_refunded=True),
    DisputedPurchase("dan", 30_00, "open", is_paid=False),
)
PAID: Final = tuple(item for item in PURCHASES if item.is_paid)


def write_files(folder: Path, day: date) -> Mapping[str, Path]:
    """Deposits, purchases, their disputes as of that day, and the refund that comes after them."""
    folder.mkdir(parents=True, exist_ok=True)
    bought = f"{day - timedelta(days=BOUGHT_DAYS_AGO)}T10:00:00Z"
    told_on = day - timedelta(days=TOLD_DAYS_AGO)
    transaction = "transaction_id,order_id,user_id,amount,currency,payment_method,status,created_at"
    bought_by = [
        f"{item.transaction_id},order-{item.user_id},{item.user_id},{_text(item.amount_minor)},USD,"
        "debit_card,{status},{at}"
        for item in PURCHASES
    ]
    reported = "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network"
    files = {
        "deposits": [
            "user_id,amount,deposit_id,timestamp,currency",
            *(f"{item.user_id},{_text(DEPOSITED_MINOR)},dep-{item.user_id},{day - timedelta(days=200)}"
              "T10:00:00Z,USD" for item in PURCHASES),
        ],
        "transactions": [
            f"{transaction},updated_at",
            *(f"{row},{{at}}".format(status="completed" if item.is_paid else "failed", at=bought)
              for row, item in zip(bought_by, PURCHASES, strict=True)),
        ],
        "chargebacks": [
            f"{reported},status,activity_date",
            *(f"{item.transaction_id},{_text(item.amount_minor)},{told_on},USD,{item.case_number},"
              f"visa,{item.status},{told_on}" for item in PURCHASES),
        ],
        "refunds": [
            f"{transaction},updated_at",
            *(f"{row},{day}T10:00:00Z".format(status="refunded", at=bought)
              for row, item in zip(bought_by, PURCHASES, strict=True) if item.is_refunded),
        ],
    }  # fmt: skip
    paths = {}
    for name, lines in files.items():
        paths[name] = folder / f"{name}.csv"
        paths[name].write_text("\n".join(lines) + "\n", "utf-8")
    return paths


def money_truth(day: date, today: date) -> dict[str, dict[str, Any]]:
    """Case -> the state of its credit, what the user keeps of it, and the user's balance.

    A credit that nobody decides about is final when the investigation's last day has come.
    """
    is_over = today >= day - timedelta(days=TOLD_DAYS_AGO) + timedelta(days=INVESTIGATION_DAYS)
    found = {}
    for item in PAID:
        undecided = "made_final" if is_over else "standing"
        state = "taken_back" if item.is_refunded else undecided
        kept = 0 if item.is_refunded else item.amount_minor
        found[item.case_number] = {
            "state": "made_final" if item.status == "lost" else state,
            "kept": kept,
            "balance": DEPOSITED_MINOR + kept,
        }
    return found


def filing_truth() -> dict[str, Any]:
    """What the card company received of the disputes, and accepted rows in no file, by reason."""
    held = [item for item in PURCHASES if not item.is_paid]
    return {
        "received": {"visa": {"rows": len(PAID), "totals": {"USD": _sum(PAID)}}},
        "waiting": {HELD_FOR: len(held)},
    }


def _sum(purchases: Sequence[DisputedPurchase]) -> int:
    return sum(item.amount_minor for item in purchases)


def _text(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02}"
