"""Disputes and their purchases as the lake has them, by program.

Belongs here: reading the lake, vectorised. What follows for a user is decided by
cardops.rules.provisional.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from cardops.contracts.kinds.dispute_clocks import ENDED_STATUSES, since
from cardops.ports import Lake
from cardops.rules.chargebacks.disputes import DisputeKey, Stage
from cardops.rules.provisional.records import DisputeState, Purchase

_KEY: Final = ("network", "case_number")
_READ: Final = (
    *_KEY, "program", "transaction_id", "stage", "status", "dispute_date", "activity_date",
    "happened_at",
    "resolution_date", "dispute_amount_minor", "dispute_currency", "reason_category", "intake_id",
    "row_number",
)  # fmt: skip
_KEYS: Final = pl.Struct(dict.fromkeys(_KEY, pl.String()))
_OUTCOME: Final = "outcome"


@dataclass(frozen=True, slots=True)
class LakeFacts:
    """What the lake knows of one program."""

    lake: Lake
    program: str

    def disputes(self, since_on: date, also: Collection[DisputeKey] = ()) -> list[DisputeState]:
        """Disputes of which the program was notified on that date or later, and those named.

        Oldest first.
        """
        steps = self.lake.scan("chargebacks")
        if steps is None:
            return []
        found = _latest(steps.filter(pl.col("program") == self.program).select(_READ))
        names = [{"network": key.network, "case_number": key.case_number} for key in also]
        is_wanted = pl.col("notified_on") >= since_on
        if names:
            is_wanted |= pl.struct(_KEY).is_in(pl.Series(names, dtype=_KEYS).implode())
        rows = found.filter(is_wanted).sort("notified_on", *_KEY).collect()
        return [_state(self.program, row) for row in rows.iter_rows(named=True)]

    def purchases(self, transaction_ids: Collection[str]) -> dict[str, Purchase]:
        """The latest version of each of these transactions, with its user and the user's first deposit."""
        rows = self._transactions(transaction_ids)
        users = {row["user_id"] for row in rows if row["user_id"]}
        first_deposits = self._first_deposits(users)
        return {
            row["transaction_id"]: Purchase(
                user_id=row["user_id"],
                amount_minor=row["amount_minor"],
                currency=row["currency"],
                status=row["status"],
                made_on=row["made_on"],
                payment_method=row["payment_method"],
                first_deposit_on=first_deposits.get(row["user_id"]),
            )
            for row in rows
        }

    def _transactions(self, transaction_ids: Collection[str]) -> Sequence[Mapping[str, Any]]:
        table = self._of_program("transactions")
        if table is None or not transaction_ids:
            return []
        versions = (
            table.filter(pl.col("transaction_id").is_in(list(transaction_ids)))
            .with_columns(changed_at=pl.coalesce("updated_at", "created_at"))
            .sort("changed_at", "intake_id", "row_number")
            .group_by("transaction_id")
            .agg(
                pl.col("order_id", "amount_minor", "currency", "status", "payment_method").last(),
                pl.col("user_id").drop_nulls().last(),
                pl.col("created_at").last().dt.date().alias("made_on"),
            )
            .collect()
        )
        return versions.join(
            self._order_users(versions["order_id"]), on="order_id", how="left"
        ).with_columns(user_id=pl.coalesce("user_id", "order_user")).to_dicts()  # fmt: skip

    def _order_users(self, order_ids: pl.Series) -> pl.DataFrame:
        """An order's user never changes, so any version of it will do."""
        columns = {"order_id": pl.String(), "order_user": pl.String()}
        table = self._of_program("orders")
        if table is None:
            return pl.DataFrame(schema=columns)
        orders = table.filter(pl.col("order_id").is_in(order_ids.implode()))
        return (
            orders.group_by("order_id").agg(pl.col("user_id").min().alias("order_user")).collect()
        )

    def _first_deposits(self, users: Collection[str]) -> Mapping[str, date]:
        table = self._of_program("deposits")
        if table is None or not users:
            return {}
        first = (
            table.filter(pl.col("user_id").is_in(list(users)))
            .group_by("user_id")
            .agg(pl.col("occurred_at").min().dt.date())
            .collect()
        )
        return dict(first.iter_rows())

    def _of_program(self, table: str) -> pl.LazyFrame | None:
        frame = self.lake.scan(table)
        return None if frame is None else frame.filter(pl.col("program") == self.program)


def _latest(steps: pl.LazyFrame) -> pl.LazyFrame:
    """One row a dispute: its last step in the order in which steps happened, and its first notice."""
    outcome = pl.coalesce(
        pl.when(pl.col(name).is_in(ENDED_STATUSES)).then(name) for name in ("stage", "status")
    )
    stated = pl.coalesce("activity_date", since())
    # Rows of older files do not say when their step happened: after all that arrived before them.
    placed = pl.coalesce("happened_at", "activity_date", pl.col("stated_at").cum_max().over(_KEY))
    takes_money = pl.col("dispute_amount_minor") > 0
    return (
        steps.with_columns(outcome.alias(_OUTCOME))
        .with_columns(stated_at=stated)
        .sort("intake_id", "row_number")
        .with_columns(placed_at=placed)
        .sort("placed_at", "intake_id", "row_number")
        .group_by(_KEY)
        .agg(
            pl.min_horizontal(
                pl.col("dispute_date").min(), pl.col("activity_date").min().dt.date()
            ).alias("notified_on"),
            pl.col("stage", _OUTCOME).last(),
            pl.col("stated_at").last().dt.date().alias("ended_on"),
            pl.col("transaction_id", "reason_category").drop_nulls().last(),
            pl.col("dispute_amount_minor", "dispute_currency").filter(takes_money).last(),
        )
    )


def _state(program: str, row: Mapping[str, Any]) -> DisputeState:
    has_ended = row[_OUTCOME] is not None
    return DisputeState(
        key=DisputeKey(program, row["network"], row["case_number"]),
        transaction_id=row["transaction_id"],
        notified_on=row["notified_on"],
        is_inquiry=row["stage"] == Stage.INQUIRY,
        outcome=row[_OUTCOME],
        ended_on=row["ended_on"] if has_ended else None,
        amount_minor=row["dispute_amount_minor"],
        currency=row["dispute_currency"],
        reason_category=row["reason_category"],
    )
