"""A busy day of a store: deposits in every format, bad rows, conflicts, and all kinds of traffic."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from psycopg import sql

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.bootstrap import Adapters
from cardops.rules.authorizations.actions import ActionKind, ActionResult, AuthorizationAction
from cardops.services.reconciliation.reconciling import ReconciliationService
from cardops.settings import Settings
from orchestration.composition import expected_files_of
from orchestration.proving.specimen import submit_deposits
from simulation.file_formats import write_input_file
from simulation.generator import make_day
from tests.factories.traffic import Traffic

DATED = {
    "deposit_events": "posted_at",
    "deposit_recalls": "posted_at",
    "decisions": "decided_at",
    "movements": "posted_at",
    "holds": "expires_at",
    "callbacks": "created_at",
    "intake_files": "ended_at",
}

# What repeats the instant of a decision as text.
RESPONSES = {"decisions": "answer", "movements": "answer", "callbacks": "body"}
_DATE_RESPONSES = """
update {} set {column} = convert_to(regexp_replace(
    convert_from({column}, 'UTF8'), '"decided_at":"[0-9-]+T',
    '"decided_at":"' || (
        substring(convert_from({column}, 'UTF8') from '"decided_at":"([0-9-]+)T')::date - 1
    ) || 'T'
), 'UTF8')
where convert_from({column}, 'UTF8') like '%"decided_at"%'
"""


def adapters_of(url: str, home: Path) -> Adapters:
    """Those of an instance with this database; the URL may already have the search_path."""
    return Adapters(Settings(home=home, database_url=url))


def be_busy(adapters: Adapters, *, seed: int, rounds: int = 5) -> None:
    """Deposit files with everything that is wrong with files, and traffic of some users."""
    folder = adapters.settings.home / f"day-{seed}"
    paths = []
    for file in make_day(200, seed, date(2026, 11, 1)).files:
        if file.kind == "deposits":
            write_input_file(file, folder / file.path)
            paths.append(folder / file.path)
    submit_deposits(adapters, "default", paths)
    with Traffic(adapters.database.url, rich_users(adapters)) as traffic:
        traffic.wait_for(rounds)
    asyncio.run(expire_a_hold(adapters))


async def expire_a_hold(adapters: Adapters) -> None:
    """Let the time of one open hold pass, and expire it as the sweeper does."""
    with connect(adapters.database.url) as session:
        found = session.execute(
            "update holds set expires_at = now() - interval '1 second' where transaction_id = ("
            "select min(transaction_id) from holds where state = 'held') returning transaction_id"
        ).fetchone()
    assert found is not None
    async with adapters.authorizer_adapters() as opened:
        action = AuthorizationAction(ActionKind.EXPIRE, "default", found[0])
        (response,) = await opened.authorizations.apply([action])
    assert response.result is ActionResult.DONE


def rich_users(adapters: Adapters) -> list[str]:
    accounts = pl.concat(adapters.deposit_ledger.accounts())
    in_dollars = accounts.filter(program="default", currency="USD")
    return in_dollars.sort("available_minor", "user_id").tail(3)["user_id"].to_list()


def move_to_yesterday(adapters: Adapters) -> None:
    """Date everything one day earlier, in store and lake, as if it had happened then."""
    with connect(adapters.database.url) as session:
        for table, column in DATED.items():
            session.execute(
                sql.SQL("update {} set {column} = {column} - interval '1 day'").format(
                    sql.Identifier(table), column=sql.Identifier(column)
                )
            )
        session.execute("update intake_files set business_date = business_date - 1")
        for table, column in RESPONSES.items():
            session.execute(
                sql.SQL(_DATE_RESPONSES).format(
                    sql.Identifier(table), column=sql.Identifier(column)
                )
            )
    for folder in adapters.lake.local_path("deposits").glob("business_date=*"):
        day = date.fromisoformat(folder.name.removeprefix("business_date="))
        folder.rename(folder.with_name(f"business_date={day - timedelta(days=1)}"))


@contextmanager
def damaged(adapters: Adapters, statement: str) -> Iterator[ReconciliationService]:
    """Reconciliation as a transaction with this statement sees the store; then rolled back."""
    url = adapters.database.url
    with connect(url, autocommit=False) as session:
        session.execute(statement.encode())
        yield ReconciliationService(
            PostgresBooks(url, lambda: nullcontext(session)),
            adapters.lake,
            adapters.lake_books,
            adapters.transaction_log,
            adapters.raw_store,
            expected_files_of(adapters),
        )
        session.rollback()
