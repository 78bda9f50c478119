"""What the lake knows of a disputed transaction and of other sales to the same card at the same merchant.

Belongs here: reading one dispute's sales from whole columns. Which of them count as evidence is in
cardops.rules.chargebacks.compelling_evidence.
"""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from cardops.ports import Lake
from cardops.rules.chargebacks.compelling_evidence import Sale
from cardops.rules.chargebacks.disputes import DisputeKey

_TOLD: Final = (
    *("order_id", "user_id", "email", "ip_address", "device_id", "merchant_id"),
    *("card_token", "card_bin", "card_last4"),
)
_ORDER: Final = ("changed_at", "intake_id", "row_number")


def sales_of(
    lake: Lake, program: str, transaction_id: str | None
) -> tuple[Sale | None, Sequence[Sale]]:
    """The disputed transaction, and others of its card and merchant, in the order of their ids."""
    rows = lake.scan("transactions")
    if rows is None or transaction_id is None:
        return None, ()
    own = rows.filter(pl.col("program") == program)
    known = _latest(own.filter(pl.col("transaction_id") == transaction_id))
    if not known:
        return None, ()
    (disputed,) = known
    others = _latest(own.filter(_is_same_card(disputed)))
    found = [disputed, *(row for row in others if row["transaction_id"] != transaction_id)]
    users = _users_of_orders(lake, program, found)
    disputes = _disputed_ids(lake, program, [row["transaction_id"] for row in found])
    sales = [_sale(row, users, disputes) for row in found]
    return sales[0], sales[1:]


def authorization_code_of(lake: Lake, dispute: DisputeKey) -> str | None:
    """The latest authorization code that a row of the dispute names."""
    rows = lake.scan("chargebacks")
    if rows is None:
        return None
    codes = (
        rows.filter(
            pl.col("program") == dispute.program,
            pl.col("network") == dispute.network,
            pl.col("case_number") == dispute.case_number,
            pl.col("transaction_auth_code").is_not_null(),
        )
        .sort("intake_id", "row_number")
        .select("transaction_auth_code")
        .collect()
    )
    return None if codes.is_empty() else codes.item(-1, 0)


def _latest(rows: pl.LazyFrame) -> list[dict[str, Any]]:
    """One row for each transaction: its last state, and what any version told about it last."""
    changed = rows.with_columns(changed_at=pl.coalesce("updated_at", "created_at")).sort(_ORDER)
    return (
        changed.group_by("transaction_id")
        .agg(
            pl.col("created_at").first().dt.date().alias("sold_on"),
            *(pl.col(name).last() for name in ("amount_minor", "currency", "status")),
            *(pl.col(name).drop_nulls().last() for name in _TOLD),
        )
        .sort("transaction_id")
        .collect()
        .to_dicts()
    )


def _is_same_card(disputed: dict[str, Any]) -> pl.Expr:
    """Wide enough: the rule decides where tokens differ."""
    is_token = _equals("card_token", disputed)
    is_number = _equals("card_bin", disputed) & _equals("card_last4", disputed)
    return (is_token | is_number) & _equals("merchant_id", disputed)


def _equals(name: str, disputed: dict[str, Any]) -> pl.Expr:
    """What the disputed sale does not say equals nothing."""
    return (pl.col(name) == pl.lit(disputed[name], pl.String)).fill_null(value=False)


def _users_of_orders(
    lake: Lake, program: str, rows: Sequence[dict[str, Any]]
) -> dict[str, str | None]:
    """Order -> user, for transactions that name none."""
    wanted = [row["order_id"] for row in rows if row["user_id"] is None]
    orders = lake.scan("orders") if wanted else None
    if orders is None:
        return {}
    found = (
        orders.filter(pl.col("program") == program, pl.col("order_id").is_in(wanted))
        .group_by("order_id")
        .agg(pl.col("user_id").min())
        .collect()
    )
    return dict(found.select("order_id", "user_id").iter_rows())


def _disputed_ids(lake: Lake, program: str, ids: Sequence[str]) -> frozenset[str]:
    rows = lake.scan("chargebacks")
    if rows is None:
        return frozenset()
    found = rows.filter(pl.col("program") == program, pl.col("transaction_id").is_in(list(ids)))
    return frozenset(found.select("transaction_id").unique().collect()["transaction_id"])


def _sale(row: dict[str, Any], users: dict[str, str | None], disputed: frozenset[str]) -> Sale:
    user_id = row.pop("user_id") or users.get(row["order_id"])
    return Sale(**row, user_id=user_id, is_disputed=row["transaction_id"] in disputed)
