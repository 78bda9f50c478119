"""When each step of a dispute happened and by when it is to be answered, as whole columns.

Belongs here: cardops.rules.chargebacks.clocks, applied once to every distinct value.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import polars as pl

from cardops.contracts.kinds.profile import Terms
from cardops.rules.chargebacks.clocks import Deadline, RunningClock, merchant_deadline
from cardops.rules.chargebacks.disputes import ENDED, Stage

# Statuses that end a dispute, whatever its stage.
ENDED_STATUSES: Final = (*(str(stage) for stage in sorted(ENDED)), "prevented", "resolved")
# The feed's reply-by date of an earlier step, which an update of the same stage leaves in force.
CARRIED: Final = "carried_reply_by"
# Who names the days for a response where neither the processor nor the network does.
NOBODY: Final = "nobody"
_KEYS: Final = ("network", "stage", "reason_category", "clock_from")


def is_ended() -> pl.Expr:
    """Where the step ends its dispute, by its stage or by its status."""
    texts = (
        pl.col(name).is_in(ENDED_STATUSES).fill_null(value=False) for name in ("stage", "status")
    )
    return pl.any_horizontal(*texts)


def since() -> pl.Expr:
    """The earliest instant at which the step can have happened, if it does not say so itself."""
    # The day of the end of a dispute is that of the step that ends it.
    first_day = pl.coalesce(pl.when(is_ended()).then("resolution_date"), "dispute_date")
    return first_day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def completed(rows: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """Fill `happened_at`, and what is known of the clock of steps that leave their dispute open.

    `response_days` are those that count where the feed names no date. Queries ask for them: a step that
    is reported later may come before this one, and end what the feed's date was for.
    """
    happened_at = pl.coalesce("happened_at", "activity_date", since())
    return _with_deadlines(rows.with_columns(happened_at=happened_at), terms)


def _with_deadlines(rows: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    carried = pl.col(CARRIED) if CARRIED in rows.columns else pl.lit(None, pl.Date())
    said = rows.with_columns(feed_reply_by=pl.coalesce("reply_by_date", carried))
    keys = said.filter(~is_ended()).select(_KEYS).unique()
    found = [_deadline(key, terms.response_days) for key in keys.iter_rows(named=True)]
    days = keys.with_columns(
        pl.Series("due_on", [deadline and deadline.due_on for deadline in found], pl.Date()),
        pl.Series("due_by", [deadline and str(deadline.source) for deadline in found], pl.String()),
    )
    joined = said.join(days, on=_KEYS, how="left", nulls_equal=True, maintain_order="left")
    is_fed, is_open = pl.col("feed_reply_by").is_not_null(), ~is_ended()
    return joined.with_columns(
        reply_by_on=pl.when(is_open).then(pl.coalesce("feed_reply_by", "due_on")),
        clock=pl.when(is_open).then(pl.when(is_fed).then(pl.lit("feed")).otherwise("due_by")),
        response_days=pl.when(is_open).then(
            (pl.col("due_on") - pl.col("clock_from")).dt.total_days()
        ),
        response_days_source=pl.when(is_open).then(pl.col("due_by").fill_null(NOBODY)),
    )


def _deadline(key: Mapping[str, Any], response_days: Mapping[str, int]) -> Deadline | None:
    runs_from: date = key["clock_from"]
    return merchant_deadline(
        key["network"],
        Stage(key["stage"]),
        RunningClock(runs_from, None),
        reason_category=key["reason_category"],
        processor_days=response_days,
    )
