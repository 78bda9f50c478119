"""What a million decisions leave behind: `python -m benchmarks growth [DECISIONS]`.

Drives the store through its own adapters with a mix of decisions, holds, captures and callbacks, and
reports WAL, table and index growth, HOT updates, dead rows and multixacts, each for a million
decisions. None of these depends on how fast the machine is. docs/load-and-limits.md has the figures.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

import psycopg
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.bench_database import bench_database
from benchmarks.harness import RESULTS
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorizations.actions import ActionKind, AuthorizationAction
from cardops.rules.authorizations.decisions import AuthorizationRequest
from cardops.rules.callbacks.callbacks import CallbackResponse, attempt_result

DECISIONS: Final = 300_000
USERS: Final = 100_000
BATCH: Final = 64
# Of the decisions: held instead of captured at once, with a callback, of an unknown user.
HELD: Final = 0.2
CALLED_BACK: Final = 0.25
UNKNOWN: Final = 0.03
HOOK: Final = "https://hooks.example.com/cardops"
TABLES: Final = ("decisions", "accounts", "holds", "movements", "callbacks", "callback_attempts")
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TableGrowth:
    """One table after the run; bytes with its indexes."""

    table: str
    rows: int
    table_bytes: int
    index_bytes: int
    updates: int
    hot_updates: int
    dead_rows: int


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of the server at one moment."""

    wal_bytes: int
    multixacts: int
    full_page_images: int


def main(arguments: Sequence[str]) -> None:
    """Run, print the table and append it to the results."""
    decisions = int(arguments[0]) if arguments else DECISIONS
    with bench_database(USERS) as bench, connect(bench.url) as session:
        before = _counters(session)
        uvloop.run(_work(bench.url, decisions))
        after = _counters(session)
        _settle(session)
        growth = [_growth(session, table) for table in TABLES]
    figures = _figures(decisions, before, after)
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"name": "growth", **figures, "tables": [asdict(table) for table in growth]}
    (RESULTS.parent / "growth.json").write_text(json.dumps(record, indent=2))
    _show(decisions, figures, growth)


async def _work(url: str, decisions: int) -> None:
    pool = await open_pool(url)
    store, outbox, random = PostgresAuthorizations(pool), PostgresCallbackOutbox(pool), Random(1)  # noqa: S311 - a load
    for start in range(0, decisions, BATCH):
        batch = [_request(number, random) for number in range(start, min(start + BATCH, decisions))]
        await store.decide(batch)
        await store.apply(
            [
                AuthorizationAction(ActionKind.CAPTURE, "bench", request.transaction_id)
                for request in batch
                if not request.is_capture
            ]
        )
        await _deliver(outbox)
        if sys.stderr.isatty() and start % (BATCH * 100) == 0:
            sys.stderr.write(f"\r{start:,} decisions")
    await pool.close()


async def _deliver(outbox: PostgresCallbackOutbox) -> None:
    now = datetime.now(UTC)
    leased = await outbox.lease_due(now, BATCH, 60)
    response = CallbackResponse(status_code=200)
    await outbox.record([attempt_result(callback, response, now, 0.5) for callback in leased])


def _request(number: int, random: Random) -> AuthorizationRequest:
    transaction_id = f"txn_{number:012d}_{random.getrandbits(32):08x}"
    is_unknown = random.random() < UNKNOWN
    return AuthorizationRequest(
        program="bench",
        transaction_id=transaction_id,
        user_id=f"nobody-{number}" if is_unknown else f"u-{random.randint(1, USERS)}",
        amount_minor=random.randint(100, 10_000),
        currency="USD",
        request_hash=hashlib.sha256(transaction_id.encode()).digest(),
        authorization_id=f"auth_{random.getrandbits(128):032x}",
        is_capture=is_unknown or random.random() >= HELD,
        callback_url=HOOK if random.random() < CALLED_BACK else None,
        request_id=f"{random.getrandbits(96):024x}",
        key_id="0123456789abcdef",
    )


def _counters(session: psycopg.Connection) -> Counters:
    row = session.execute(
        "select wal_bytes::bigint, next_multixact_id::text::bigint, wal_fpi"
        " from pg_stat_wal, pg_control_checkpoint()"
    ).fetchone()
    if row is None:
        raise RuntimeError("The server reported no counters.")
    return Counters(*row)


def _settle(session: psycopg.Connection) -> None:
    """Let every session's statistics arrive."""
    session.execute("select pg_stat_force_next_flush()")
    session.execute("select pg_sleep(2)")
    session.execute("checkpoint")


def _growth(session: psycopg.Connection, table: str) -> TableGrowth:
    row = session.execute(
        "select n_live_tup, pg_table_size(relid), pg_indexes_size(relid), n_tup_upd,"
        " n_tup_hot_upd, n_dead_tup from pg_stat_user_tables where relname = %s",
        [table],
    ).fetchone()
    if row is None:
        raise RuntimeError(f"The server has no statistics of {table}.")
    return TableGrowth(table, *row)


def _figures(decisions: int, before: Counters, after: Counters) -> Mapping[str, float]:
    share = MILLION / decisions
    return {
        "decisions": decisions,
        "wal_bytes_per_decision": (after.wal_bytes - before.wal_bytes) / decisions,
        "full_page_images_per_million": (after.full_page_images - before.full_page_images) * share,
        "multixacts_per_million": (after.multixacts - before.multixacts) * share,
    }


def _show(decisions: int, figures: Mapping[str, float], growth: Sequence[TableGrowth]) -> None:
    console = Console(width=120)
    for name, figure in figures.items():
        console.print(f"{name.replace('_', ' ')}: {figure:,.0f}")
    table = Table("table", "rows", "MB/M", "indexes MB/M", "updates", "HOT %", "dead rows")
    share = MILLION / decisions / 2**20
    for row in growth:
        table.add_row(
            row.table,
            f"{row.rows:,}",
            f"{row.table_bytes * share:,.0f}",
            f"{row.index_bytes * share:,.0f}",
            f"{row.updates:,}",
            f"{100 * row.hot_updates / row.updates:.1f}" if row.updates else "",
            f"{row.dead_rows:,}",
        )
    console.print(table)
