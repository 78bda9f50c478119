"""Books on PostgreSQL: every account from both sources, read in one snapshot."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl
from psycopg import sql

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.frames import read_frame, stream_frames
from cardops.contracts.lake.reconciliation import BOOKS_COLUMNS, DEPOSIT_FILE_COLUMNS

# One statement, so one snapshot: balances, postings and holds are of the same instant. Changes
# dated after the business date are subtracted from the balances and left out of the sums.
_ACCOUNTS: Final = sql.SQL(
    """
    with posted as (
        select
            program, user_id, currency,
            sum(posted_minor) filter (
                where kind in ('deposit', 'reinstatement') and not is_later
            ) as deposits,
            -sum(posted_minor) filter (where kind = 'recall' and not is_later) as recalls,
            -sum(posted_minor) filter (where kind = 'spend' and not is_later) as spends,
            sum(posted_minor) filter (where kind = 'reversal' and not is_later) as reversals,
            sum(posted_minor) filter (where is_later) as later
        from (select *, posted_at >= {midnight} as is_later from postings) as dated
        group by program, user_id, currency
    ),
    open_holds as (
        select program, user_id, currency, sum(held_minor) as held
        from holds where state = 'held'
        group by program, user_id, currency
    ),
    held_later as (
        select program, user_id, currency, sum(held_change_minor) as held
        from (
            select program, user_id, currency, amount_minor as held_change_minor
            from decisions
            where status = 'PERMIT' and not is_capture and decided_at >= {midnight}
            union all
            select program, user_id, currency, held_change_minor
            from movements
            where held_change_minor <> 0 and posted_at >= {midnight}
        ) as changes
        group by program, user_id, currency
    )
    select
        program, user_id, currency,
        (coalesce(available_minor, 0) - coalesce(posted.later, 0)
            + coalesce(held_later.held, 0))::bigint,
        (coalesce(held_minor, 0) - coalesce(held_later.held, 0))::bigint,
        coalesce(ledger_seq, 0),
        coalesce(deposits, 0)::bigint, coalesce(recalls, 0)::bigint,
        coalesce(spends, 0)::bigint, coalesce(reversals, 0)::bigint,
        (coalesce(open_holds.held, 0) - coalesce(held_later.held, 0))::bigint
    from accounts
    full join posted using (program, user_id, currency)
    full join open_holds using (program, user_id, currency)
    full join held_later using (program, user_id, currency)
    order by program, user_id, currency
    """
)

# Of a recalled file nothing may stand, whatever its counts were before the recall.
_DEPOSIT_FILES: Final = sql.SQL(
    """
    with files as (
        select program, intake_id, status, outcome from intake_files
        where kind = 'deposits' and status in ('applied', 'recalled') and business_date <= {day}
    ),
    said as (
        select program, intake_id, total.key as currency,
            case status when 'recalled' then 0 else total.value::bigint end as said_minor
        from files, jsonb_each_text(outcome -> 'totals_minor') as total
    ),
    posted as (
        select program, intake_id, currency, sum(amount_minor)::bigint as posted_minor
        from standing_deposits
        where intake_id in (select intake_id from files)
        group by program, intake_id, currency
    )
    select
        program, intake_id, currency, coalesce(said_minor, 0), coalesce(posted_minor, 0)
    from said full join posted using (program, intake_id, currency)
    order by intake_id, currency
    """
)

# The first exported day bounds the search: the export that wrote it wrote all earlier days too.
_DATES_TO_EXPORT: Final = """
    select day::date
    from generate_series(
        coalesce(
            (select min(business_date) from exported_days),
            (select least(
                (select min(posted_at) from deposit_events),
                (select min(decided_at) from decisions),
                (select min(posted_at) from movements)
            )::date)
        ),
        %(day)s::date, interval '1 day'
    ) as day
    where not exists (select from exported_days where business_date = day::date and is_closed)
        and (
            exists (select from exported_days where business_date = day::date)
            or exists (select from deposit_events
                       where posted_at >= day and posted_at < day + interval '1 day')
            or exists (select from deposit_recalls
                       where posted_at >= day and posted_at < day + interval '1 day')
            or exists (select from deposit_reinstatements
                       where posted_at >= day and posted_at < day + interval '1 day')
            or exists (select from decisions
                       where decided_at >= day and decided_at < day + interval '1 day')
            or exists (select from movements
                       where posted_at >= day and posted_at < day + interval '1 day')
        )
    order by day
"""


class PostgresBooks:
    """Implements cardops.ports.Books. Read-only, with a session per call."""

    def __init__(self, url: str) -> None:
        self._url = url

    def accounts(self, business_date: date) -> Iterator[pl.DataFrame]:
        """Each account from both sources, as of the end of the business date."""
        midnight = sql.SQL("({}::date + interval '1 day')").format(sql.Literal(business_date))
        with connect(self._url) as session:
            yield from stream_frames(session, _ACCOUNTS.format(midnight=midnight), BOOKS_COLUMNS)

    def deposit_files(self, business_date: date) -> pl.DataFrame:
        """Applied and recalled deposit files up to that date: each one's total, and what stands."""
        query = _DEPOSIT_FILES.format(day=sql.Literal(business_date))
        with connect(self._url) as session:
            return read_frame(session, query, DEPOSIT_FILE_COLUMNS)

    def dates_to_export(self, business_date: date) -> Sequence[date]:
        """Dates up to that one that have events and no final export."""
        with connect(self._url) as session:
            return [row[0] for row in session.execute(_DATES_TO_EXPORT, {"day": business_date})]
