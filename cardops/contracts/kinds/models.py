"""What a row of each input kind must be, declared once, as pandera models over text.

Belongs here: columns, which of them may be empty, and their checks. Validation, quarantine reasons
and the table in docs/file-formats.md all come from here. Cells are trimmed text, empty ones null.
"""

from typing import Any, Final

import pandera.polars as pa

from cardops.contracts.judging import checks as _checks
from cardops.rules.intake.files import ID_PATTERN, RowReason

assert _checks.COMPILED  # noqa: S101 - importing it is what registers the checks named below

TRANSACTION_STATUSES: Final = ("completed", "failed", "pending", "refunded")
ORDER_STATUSES: Final = ("paid", "failed", "refunded", "pending")
DISPUTE_STATUSES: Final = (
    "open",
    "won",
    "lost",
    "pending_response",
    "resolved",
    "pending",
    "accepted",
    "expired",
)


def _id(description: str, *, required: bool) -> Any:
    return _field(description, required=required, is_id={"pattern": ID_PATTERN})


def _amount(description: str, *, required: bool) -> Any:
    return _field(description, required=required, is_amount={"currency": "currency"})


def _currency(description: str, *, required: bool) -> Any:
    return _field(description, required=required, is_currency={"standard": "ISO 4217"})


def _instant(description: str, *, required: bool) -> Any:
    return _field(description, required=required, is_instant={"is_day_allowed": False})


def _date(description: str, *, required: bool, may_be_ahead: bool = False) -> Any:
    metadata = {"may_be_ahead": may_be_ahead}
    return _field(
        description, required=required, is_instant={"is_day_allowed": True}, metadata=metadata
    )


def _status(description: str, values: tuple[str, ...], *, required: bool) -> Any:
    metadata = {"reason": str(RowReason.INVALID_STATUS)}
    return _field(description, required=required, isin=list(values), metadata=metadata)


def _text(description: str, *, required: bool = False) -> Any:
    return _field(description, required=required)


def _field(description: str, *, required: bool, **checks: Any) -> Any:
    return pa.Field(nullable=not required, description=description, **checks)


class DepositRow(pa.DataFrameModel):
    """Money into an account from outside."""

    user_id: str = _id("whose account", required=True)
    amount: str = _amount("decimal text in the currency's own unit", required=True)
    deposit_id: str = _id("the sender's id: credited once, whatever is sent again", required=True)
    timestamp: str = _instant("when the money came", required=True)
    currency: str | None = _currency("else the program's", required=False)


class TransactionRow(pa.DataFrameModel):
    """A payment as the processor tells it; it lives on: pending, completed, refunded."""

    transaction_id: str = _id("the processor's id", required=True)
    order_id: str = _id("the order it pays", required=True)
    amount: str = _amount("decimal text in the currency's own unit", required=True)
    currency: str = _currency("of the amount", required=True)
    payment_method: str = _text("card, wallet, …; or {type, provider} in JSON", required=True)
    status: str = _status("where the payment stands", TRANSACTION_STATUSES, required=True)
    created_at: str = _instant("when it was made", required=True)
    user_id: str | None = _id("who paid; else the order's user", required=False)
    provider: str | None = _text("who processed it")
    card_network: str | None = _text("the card company")
    card_number: str | None = _text("masked or full: cut to BIN and last four on read")
    error_code: str | None = _text("why it failed")
    merchant_id: str | None = _id("who was paid", required=False)
    device_id: str | None = _text("from which device")
    ip_address: str | None = _text("from which address")
    email: str | None = _text("of the payer")
    card_token: str | None = _text("the processor's token for the card")
    updated_at: str | None = _instant("when its status last changed", required=False)


class OrderRow(pa.DataFrameModel):
    """What a user ordered, and whether it was paid."""

    order_id: str = _id("the shop's id", required=True)
    user_id: str = _id("who ordered", required=True)
    amount: str = _amount("decimal text in the currency's own unit", required=True)
    currency: str = _currency("of the amount", required=True)
    status: str = _status("where the order stands", ORDER_STATUSES, required=True)
    created_at: str = _instant("when it was made", required=True)
    items: str | None = _text("[{product_id, quantity, unit_price}] in JSON")
    merchant_id: str | None = _id("who sold", required=False)
    shipping_country: str | None = _text("where to")
    updated_at: str | None = _instant("when its status last changed", required=False)


class ChargebackRow(pa.DataFrameModel):
    """One step of a dispute, as a processor or card company reports it."""

    transaction_id: str = _id("the disputed transaction", required=True)
    chargeback_amount: str = _amount("what is disputed", required=True)
    dispute_date: str = _date("when the dispute began", required=True)
    currency: str | None = _currency("else the transaction's", required=False)
    case_number: str | None = _id("else derived, always the same one", required=False)
    card_network: str | None = _text("the card company; else found by other evidence")
    card_number: str | None = _text("masked or full: cut to BIN and last four on read")
    merchant_id: str | None = _id("who was paid", required=False)
    merchant_name: str | None = _text("the name on the statement")
    transaction_date: str | None = _date("when the payment was made", required=False)
    transaction_amount: str | None = _amount("the whole payment", required=False)
    chargeback_reason: str | None = _text("the cardholder's reason in words")
    reason_code: str | None = _text("the network's code for why")
    stage: str | None = _text("where the dispute stands; else chargeback")
    status: str | None = _status("how it goes", DISPUTE_STATUSES, required=False)
    reply_by_date: str | None = _date("by when to answer", required=False, may_be_ahead=True)
    resolution_date: str | None = _date("when it ended", required=False)
    arn: str | None = _id("acquirer reference number", required=False)
