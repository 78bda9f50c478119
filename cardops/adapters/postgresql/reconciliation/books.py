"""Books on PostgreSQL: accounts, deposit files and named checks, each in one snapshot.

Belongs here: how they are read. The SQL of the named checks is in the modules `*_checks`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

import polars as pl
import psycopg
from psycopg import IsolationLevel, sql

from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.connection import connect, with_options
from cardops.adapters.postgresql.frames import read_frame, stream_frames
from cardops.adapters.postgresql.reconciliation import reconciled_days
from cardops.adapters.postgresql.reconciliation.deposit_checks import (
    COUNTED_FILES,
    DEPOSIT_FILES,
)
from cardops.adapters.postgresql.reconciliation.named_checks import (
    CHECKS,
    FULL_CHECKS,
    instant,
    values,
)
from cardops.adapters.postgresql.reconciliation.reconciled_days import ReconciledDay
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    CREDITED_COLUMNS,
    DEPOSIT_FILE_COLUMNS,
    FOUND_COLUMNS,
)
from cardops.rules.mappings.mapping import mapping_of
from cardops.rules.reconciliation.raw_files import CountedFile

Session = AbstractContextManager[psycopg.Connection]

CLOSING_LOCK: Final = "closing-of-the-books"
LOOK_UPS: Final = (
    "-cenable_hashjoin=off",
    "-cenable_mergejoin=off",
    "-cenable_seqscan=off",
    "-crandom_page_cost=1.1",
)


# One statement, so one snapshot: balances, postings and holds are of the same instant. Changes
# dated after the business date are subtracted from the balances and left out of the sums. Without
# an earlier date the sums are of all postings; with one, of those dated since, and what an account
# below zero owed before is looked up for that account.
_ACCOUNTS: Final = sql.SQL(
    """
    with posted as (
        select
            program, user_id, currency,
            sum(posted_minor) filter (where kind = 'deposit' and not is_later) as deposits,
            -sum(posted_minor) filter (where kind = 'recall' and not is_later) as recalls,
            -sum(posted_minor) filter (where kind = 'spend' and not is_later) as spends,
            sum(posted_minor) filter (
                where kind in (
                    'reversal', 'provisional_credit', 'credit_made_final', 'credit_taken_back'
                ) and not is_later
            ) as reversals,
            -sum(posted_minor) filter (where kind = 'credit_taken_back' and not is_later)
                as taken_back,
            sum(posted_minor) filter (where kind = 'reinstatement' and not is_later)
                as reinstatements,
            sum(posted_minor) filter (where is_later) as later
        from (
            select *, posted_at >= {midnight} as is_later from postings where posted_at >= {since}
        ) as dated
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
        coalesce(available_minor, 0) - coalesce(posted.later, 0) + coalesce(held_later.held, 0),
        coalesce(held_minor, 0) - coalesce(held_later.held, 0),
        coalesce(ledger_seq, 0),
        coalesce(deposits, 0), coalesce(recalls, 0), coalesce(spends, 0), coalesce(reversals, 0),
        coalesce(open_holds.held, 0) - coalesce(held_later.held, 0),
        coalesce(reinstatements, 0), {earlier_obligations}, coalesce(taken_back, 0)
    from accounts
    full join posted using (program, user_id, currency)
    full join open_holds using (program, user_id, currency)
    full join held_later using (program, user_id, currency)
    order by program, user_id, currency
    """
)
_EARLIER_OBLIGATIONS: Final = sql.SQL(
    """
    case when available_minor < 0 then coalesce((
        select sum(r.amount_minor) from deposit_recalls as r
        where r.program = accounts.program and r.user_id = accounts.user_id
            and r.currency = accounts.currency and r.posted_at < {since}
    ), 0) - coalesce((
        select sum(i.amount_minor) from deposit_reinstatements as i
        where i.program = accounts.program and i.user_id = accounts.user_id
            and i.currency = accounts.currency and i.posted_at < {since}
    ), 0) + coalesce((
        select sum(p.amount_minor) from provisional_postings as p
        where p.program = accounts.program and p.user_id = accounts.user_id
            and p.currency = accounts.currency and p.kind = 'credit_taken_back'
            and p.posted_at < {since}
    ), 0) else 0 end
    """
)
# The rows that a file credited; a row that was recalled and credited again is here twice.
_CREDITED_ROWS: Final = sql.SQL(
    """
    select c.row_number, c.deposit_id, c.user_id, c.currency, c.amount_minor,
        (extract(epoch from c.occurred_at) * 1000000)::bigint,
        (r.program is null)::text
    from deposit_credits as c
    left join deposit_recalls as r using (program, deposit_id, credit_number)
    where c.intake_id = {intake_id}
    order by c.row_number
    """
)
_KNOWN_DEPOSITS: Final = sql.SQL(
    """
    select distinct on (deposit_id) row_number, deposit_id, user_id, currency, amount_minor,
        (extract(epoch from occurred_at) * 1000000)::bigint, 'true'
    from deposit_credits
    where program = {program} and deposit_id = any({deposit_ids})
    order by deposit_id, credit_number desc
    """
)
# From the first event on, also where that is a late row dated before the first exported day.
_DATES_TO_EXPORT: Final = """
    select day::date
    from generate_series(
        least(
            (select min(business_date) from exported_days),
            (least(
                (select min(posted_at) from deposit_events),
                (select min(posted_at) from deposit_recalls),
                (select min(posted_at) from deposit_reinstatements),
                (select min(posted_at) from provisional_postings),
                (select min(decided_at) from decisions),
                (select min(posted_at) from movements)
            ) at time zone 'UTC')::date
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
            or exists (select from provisional_postings
                       where posted_at >= day and posted_at < day + interval '1 day')
            or exists (select from decisions
                       where decided_at >= day and decided_at < day + interval '1 day')
            or exists (select from movements
                       where posted_at >= day and posted_at < day + interval '1 day')
        )
    order by day
"""


@dataclass(frozen=True, slots=True)
class ExportedDay:
    """Implements cardops.ports.ExportedDay."""

    row_count: int
    content_sha256: str
    is_closed: bool


class PostgresBooks:
    """Implements cardops.ports.Books, with a session for each call."""

    def __init__(self, url: str, session: Callable[[], Session] | None = None) -> None:
        """`session`: opens another session than one on the URL, for example one on a copy."""
        self._url = url
        self._session: Callable[[], Session] = session or partial(_snapshot, url)
        self._look_ups = session or partial(_snapshot, with_options(url, *LOOK_UPS))

    def accounts(self, business_date: date, *, since: date | None = None) -> Iterator[pl.DataFrame]:
        """Each account from both sources, as of the end of the business date."""
        query = _ACCOUNTS.format(
            midnight=instant(business_date + timedelta(days=1)),
            since=instant(since),
            earlier_obligations=(
                sql.Literal(0)
                if since is None
                else _EARLIER_OBLIGATIONS.format(since=instant(since))
            ),
        )
        with self._session() as session:
            yield from stream_frames(session, query, BOOKS_COLUMNS)

    def breaks(self, business_date: date, *, since: date | None = None) -> pl.DataFrame:
        """What the named checks find, in one snapshot."""
        filled = values(business_date, since)
        with self._reading(since) as session:
            found = [
                read_frame(session, sql.SQL(check).format(**filled), FOUND_COLUMNS)
                for check in (*CHECKS, *(FULL_CHECKS if since is None else ()))
            ]
        return pl.concat(found)

    def deposit_files(self, business_date: date, *, since: date | None = None) -> pl.DataFrame:
        """Deposit files up to that date: the total of each, and the amount posted of it."""
        query = sql.SQL(DEPOSIT_FILES).format(**values(business_date, since))
        with self._reading(since) as session:
            return read_frame(session, query, DEPOSIT_FILE_COLUMNS)

    def credited_rows(self, intake_id: int) -> pl.DataFrame:
        """The rows that a file credited."""
        query = _CREDITED_ROWS.format(intake_id=sql.Literal(intake_id))
        with self._look_ups() as session:
            return read_frame(session, query, CREDITED_COLUMNS)

    def known_deposits(self, program: str, deposit_ids: Sequence[str]) -> pl.DataFrame:
        """The latest credit of each of these deposits of the program."""
        query = _KNOWN_DEPOSITS.format(
            program=sql.Literal(program), deposit_ids=sql.Literal(list(deposit_ids))
        )
        with self._session() as session:
            return read_frame(session, query, CREDITED_COLUMNS)

    def counted_files(
        self, business_date: date, *, since: date | None = None
    ) -> Sequence[CountedFile]:
        """Deposit files up to that date and what was recorded of each; since: those that changed."""
        query = sql.SQL(COUNTED_FILES).format(**values(business_date, since))
        with self._reading(since) as session:
            rows = session.execute(query).fetchall()
        files = [(*figures, mapping_of(definition)) for *figures, definition in rows]
        return [CountedFile(*file) for file in files]

    def dates_to_export(self, business_date: date) -> Sequence[date]:
        """Dates up to that one that have events and no final export."""
        with self._session() as session:
            return [row[0] for row in session.execute(_DATES_TO_EXPORT, {"day": business_date})]

    def exported(self, since: date, business_date: date) -> Mapping[date, ExportedDay]:
        """What was recorded of the exports of these dates."""
        with self._session() as session:
            rows = session.execute(_EXPORTED, [since, business_date]).fetchall()
        return {day: ExportedDay(*columns) for day, *columns in rows}

    def changed_exports(self, since: date, until: date) -> Sequence[date]:
        """Dates with a final export that has not as many rows as the store has events."""
        with self._look_ups() as session:
            return reconciled_days.changed_exports(session, since, until)

    def last_reconciled(self, business_date: date) -> ReconciledDay | None:
        """The latest earlier date that was closed when it was reconciled, without a break."""
        with self._session() as session:
            return reconciled_days.last_reconciled(session, business_date)

    def last_proven(self, business_date: date) -> date | None:
        """The latest date up to that one that was compared from the beginning; None if it had a break."""
        with self._session() as session:
            return reconciled_days.last_proven(session, business_date)

    def reconciled(self, since: date, until: date) -> Sequence[ReconciledDay]:
        """All of these between two dates."""
        with self._session() as session:
            return reconciled_days.reconciled(session, since, until)

    def record_reconciled(
        self,
        business_date: date,
        *,
        since: date | None,
        break_count: int,
        balances_sha256: str | None,
    ) -> None:
        """Record the outcome of a closed date; of another, which may still change, nothing."""
        day = ReconciledDay(business_date, balances_sha256)
        run_in_transaction(
            self._url, lambda session: reconciled_days.record(session, day, since, break_count)
        )

    def closing(self) -> AbstractContextManager[None]:
        """Whoever else writes or compares the books of a date waits."""
        return advisory_lock(self._url, CLOSING_LOCK)

    def supersede_reconciled(self, since: date) -> None:
        """None of the dates from this one on is a beginning any more."""
        run_in_transaction(self._url, lambda session: reconciled_days.supersede(session, since))

    def _reading(self, since: date | None) -> Session:
        """What changed is looked up by indexes, whatever its share of the tables; all is scanned."""
        return self._session() if since is None else self._look_ups()


_EXPORTED: Final = """
select business_date, row_count, content_sha256, is_closed
from exported_days where business_date between %s and %s
"""


@contextmanager
def _snapshot(url: str) -> Iterator[psycopg.Connection]:
    """A session whose statements all see one snapshot."""
    with connect(url, autocommit=False) as session:
        session.isolation_level = IsolationLevel.REPEATABLE_READ
        session.read_only = True
        yield session
