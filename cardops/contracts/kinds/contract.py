"""The four contracts: a model, and what else a kind needs to be read and judged.

Belongs here: aliases as data, what identifies a row, what of it may never change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import pandera.polars as pa

from cardops.contracts.kinds.models import ChargebackRow, DepositRow, OrderRow, TransactionRow
from cardops.rules.intake.files import Kind


@dataclass(frozen=True)
class Contract:
    """What a file of one kind looks like.

    `aliases`: other header names of a column, best first; camelCase goes without saying.
    `identity`: the lake columns by which a row is known. `immutable`: those a later version must
    repeat. `derived`: columns that are not the row's own word, so that they tell no versions apart.
    """

    kind: Kind
    model: type[pa.DataFrameModel]
    aliases: Mapping[str, tuple[str, ...]]
    identity: tuple[str, ...]
    immutable: tuple[str, ...] = ()
    derived: frozenset[str] = field(default_factory=frozenset)
    waits_for: str | None = None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column of the contract, in the model's order."""
        return tuple(self.model.to_schema().columns)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns without which a file is refused, and a row quarantined."""
        schema = self.model.to_schema()
        return tuple(name for name, column in schema.columns.items() if not column.nullable)

    @cached_property
    def amounts(self) -> frozenset[str]:
        """Columns that hold money."""
        return self._checked_by("is_amount")

    @cached_property
    def times(self) -> Mapping[str, bool]:
        """Columns that hold instants -> whether a date alone will do."""
        schema = self.model.to_schema()
        return {
            name: check.statistics["is_day_allowed"]
            for name, column in schema.columns.items()
            for check in column.checks
            if check.name == "is_instant"
        }

    @cached_property
    def never_ahead(self) -> tuple[str, ...]:
        """Times that cannot lie in the future; a day by which to answer can."""
        schema = self.model.to_schema()
        return tuple(
            name
            for name in self.times
            if not (schema.columns[name].metadata or {}).get("may_be_ahead")
        )

    def _checked_by(self, check_name: str) -> frozenset[str]:
        schema = self.model.to_schema()
        return frozenset(
            name
            for name, column in schema.columns.items()
            if any(check.name == check_name for check in column.checks)
        )


DEPOSITS: Final = Contract(
    kind=Kind.DEPOSITS,
    model=DepositRow,
    aliases={"amount": ("amt",), "user_id": ("customer_id",), "timestamp": ("created_at",)},
    identity=("deposit_id",),
    immutable=("user_id", "currency", "amount_minor", "occurred_at"),
)
TRANSACTIONS: Final = Contract(
    kind=Kind.TRANSACTIONS,
    model=TransactionRow,
    aliases={"amount": ("amt",), "user_id": ("customer_id",), "created_at": ("timestamp",)},
    identity=("transaction_id",),
    immutable=("order_id", "amount_minor", "currency"),
    derived=frozenset({"user_id"}),
    waits_for="order_id",
)
ORDERS: Final = Contract(
    kind=Kind.ORDERS,
    model=OrderRow,
    aliases={
        "amount": ("total_amount", "amt"),
        "user_id": ("customer_id",),
        "created_at": ("timestamp",),
        "status": ("payment_status",),
    },
    identity=("order_id",),
    immutable=("user_id", "currency"),
)
# A header serves one column: `amount` is the disputed one unless that stands there itself.
CHARGEBACKS: Final = Contract(
    kind=Kind.CHARGEBACKS,
    model=ChargebackRow,
    aliases={
        "chargeback_amount": ("amount", "amt"),
        "transaction_amount": ("amount", "amt"),
    },
    identity=("network", "case_number", "stage", "action_sequence"),
    immutable=("transaction_id", "dispute_currency"),
    derived=frozenset(
        {
            "batch_id",
            "network_source",
            "reason_category",
            "payment_method",
            "transaction_amount_minor",
            "transaction_currency",
        }
    ),
    waits_for="transaction_id",
)

CONTRACTS: Final[Mapping[Kind, Contract]] = {
    contract.kind: contract for contract in (DEPOSITS, TRANSACTIONS, ORDERS, CHARGEBACKS)
}
