"""One small day through the real pipeline, in a process that can kill itself at one step.

Started again it continues with whatever is unfinished, as the sensors do. Nothing in Cardops
depends on this module.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cardops.adapters.clock import SystemClock
from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.accounts import deposits
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.reconciliation.transaction_log import PostgresTransactionLog
from cardops.adapters.postgresql.sessions import open_pool
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.ports import ObjectStore
from cardops.rules.authorizations.decisions import AuthorizationRequest
from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectExistsError
from cardops.rules.programs.programs import Program
from cardops.services.intake.claiming import Claims
from cardops.settings import Settings
from orchestration.cli.garbage import collect_seldom
from orchestration.local.in_process import InProcessRuns
from sensors.intake import files_by_partition
from tests.factories.chunks import fix_chunk_rows

ORDER = (Kind("deposits"), Kind("orders"), Kind("transactions"), Kind("chargebacks"))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_when(owner: object, name: str, is_time: Callable[..., bool], *, after: bool) -> None:
    """Kill the process before or after the call of `owner.name` for which `is_time` is true."""
    real = getattr(owner, name)

    def killing(*args: Any, **named: Any) -> Any:
        now = is_time(*args, **named)
        if now and not after:
            die()
        result = real(*args, **named)
        if now:
            die()
        return result

    setattr(owner, name, killing)


def third() -> Callable[..., bool]:
    calls = iter(range(1, 1_000_000))
    return lambda *_, **__: next(calls) == 3


# In the third chunk's open transaction: two chunks are committed, this one never is.
def die_in_the_merge() -> None:
    die_when(deposits, "credit_chunk", third(), after=True)


# The file has its final name at the card company; the ledger only knows the intent.
def die_between_rename_and_record() -> None:
    def is_delivered(_: object, record: Any) -> bool:
        return bool(record.state is DeliveryState.DELIVERED)

    die_when(PostgresDeliveryLedger, "record", is_delivered, after=False)


# The day's file is in the lake; its export is not recorded.
def die_in_the_export() -> None:
    die_when(PostgresTransactionLog, "record_export", lambda *_: True, after=False)


# The day's file is written to a temporary place, not yet to the lake.
def die_before_the_lake() -> None:
    def is_log(_: object, table: str, *__: object) -> bool:
        return table == "transaction_log"

    die_when(ParquetLake, "write_file", is_log, after=False)


PLACES = {
    "merge": die_in_the_merge,
    "rename": die_between_rename_and_record,
    "lake": die_before_the_lake,
    "export": die_in_the_export,
}


def run_day(day: Path, settings: Settings) -> None:
    url = connect_info(settings).url
    PostgresPrograms(url).create(Program("default", currency="USD"))
    runs = InProcessRuns(settings)
    claims = Claims(
        open_store(settings.store_url("raw")),
        open_store(settings.store_url("failed")),
        PostgresIntakeLedger(url),
        PostgresPrograms(url),
        SystemClock(),
    )
    for kind in ORDER:
        drop_files(day / kind, claims.raw_store, f"incoming/{kind}")
        ingest_file(kind, claims, runs)
    asyncio.run(spend(url))
    runs.run("daily_close", partition_key=datetime.now(UTC).date().isoformat())


def drop_files(source: Path, target: ObjectStore, folder: str) -> None:
    for file in sorted(source.iterdir()):
        with suppress(ObjectExistsError):
            target.create(f"{folder}/{file.name}", file)


def ingest_file(kind: Kind, claims: Claims, runs: InProcessRuns) -> None:
    stats = claims.raw_store.list_objects(f"incoming/{kind}/")
    claims.claim(kind, stats)
    for files in files_by_partition(claims.intake_ledger.unfinished(kind)):
        runs.ingest_file(kind, files)
    if kind == Kind("chargebacks"):
        for batch_id in sorted({str(record.batch_id) for record in chargeback_files(claims)}):
            runs.deliver(batch_id)


def chargeback_files(claims: Claims) -> list[Any]:
    today = claims.clock.now().date()
    return list(claims.intake_ledger.claimed_on(Kind("chargebacks"), today))


async def spend(url: str) -> None:
    """Forty purchases of one user; a repeated run sends the same requests."""
    pool = await open_pool(url)
    # By bytes: another server may sort text differently.
    user_id = await pool.fetchval(
        "select min(user_id collate \"C\") from accounts where currency = 'USD'"
    )
    requests = [
        AuthorizationRequest(
            program="default",
            transaction_id=f"spend-{number}",
            user_id=user_id,
            amount_minor=100 + number,
            currency="USD",
            request_hash=bytes([number]) * 32,
            authorization_id=f"auth-{number}",
        )
        for number in range(40)
    ]
    await PostgresAuthorizations(pool).decide(requests)
    await pool.close()


def run_and_die(day: Path, place: str | None) -> None:
    """Run the day with the settings of this process's environment."""
    collect_seldom()
    fix_chunk_rows(40)  # a small day must have many chunks
    if place:
        PLACES[place]()
    run_day(day, Settings.load())
