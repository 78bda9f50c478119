"""Ctrl-C of a real `cardops up` and an upgrade, while files are being credited."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.migrate import known_migrations
from tests.factories.real_days import today as real_today
from tests.factories.waiting import wait_until
from tests.servers.cardops_up import (
    DEPOSITS,
    PATIENCE_SECONDS,
    ROOT,
    Up,
    description_of,
    of_home,
    started,
    up,
    wait_until_ended,
)

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(900)]
# What an installation has of ours.
PARTS = (
    "assets",
    "authorizer",
    "cardops",
    "dbt_project",
    "docs",
    "orchestration",
    "resources",
    "sensors",
    "simulation",
)
NEWER_FIGURE = "accounts_overdrawn"


@pytest.fixture
def first() -> Iterator[Up]:
    with up() as running:
        yield running


def test_ctrl_c_and_an_upgrade_while_files_are_credited_credit_each_once(
    first: Up, tmp_path: Path
) -> None:
    """One run is in the intake worker, one in a process of its own, and two wait for a place."""
    today, url = str(real_today()), first.database_url()
    dates = [str(real_today() - timedelta(days=ago)) for ago in (40, 41)]
    # The database, too, is stopped while the lock is held.
    with suppress(psycopg.OperationalError), connect(url) as session, session.transaction():
        session.execute("lock table cardops.deposit_events in share mode")
        first.drop("deposits", DEPOSITS.replace("user_up", "user_1st").replace("dep_up", "1st"))
        wait_until(lambda: first.runs("STARTED"), "the worker's run", seconds=PATIENCE_SECONDS)
        first.copy("deposits", DEPOSITS.replace("user_up", "user_2nd").replace("dep_up", "2nd"))
        own = first.backfill([today], "deposits")
        wait_until(
            lambda: first.runs("STARTED", dagster__backfill=own),
            "the run of the daemon",
            seconds=PATIENCE_SECONDS,
        )
        waiting = first.backfill(dates, "balances", "transaction_log")
        wait_until(
            lambda: len(first.runs("QUEUED", dagster__backfill=waiting)) == len(dates),
            "the runs that wait",
            seconds=PATIENCE_SECONDS,
        )
        in_hand = first.runs("STARTED")
        assert [first.credit(user) for user in ("user_1st", "user_2nd")] == [[], []]
        ctrl_c(first)

    assert len(in_hand) == 2
    assert "ended by force: intake" in first.told
    with started(first.home, newer_version(tmp_path)) as newer:
        assert set(newer.runs("FAILURE", "CANCELED")) >= set(in_hand)
        wait_until(
            lambda: newer.credit("user_1st") and newer.credit("user_2nd"),
            "the credits",
            seconds=PATIENCE_SECONDS,
            pause_seconds=1,
        )
        wait_until(partial(newer.has_completed, waiting), "what waited", seconds=PATIENCE_SECONDS)
        assert list(newer.ended_runs(waiting).values()) == ["SUCCESS"] * len(dates)
        assert sorted(newer.partitions("balances")) == sorted(dates)
        assert [NEWER_FIGURE in shown for shown in newer.shown("balances")] == [True, True]
        credited = credits_of("^(1st|2nd)", url)
        ctrl_c(newer)
        assert "by force" not in newer.told

    assert credited == [("1st_1", 1, 2500), ("2nd_1", 1, 2500)]


def credits_of(deposits: str, url: str) -> list[tuple[Any, ...]]:
    """Of deposits with such ids: how often each was credited, and how much; from a migrated database."""
    with connect(url) as session:
        session.execute("select from cardops.newer_version")
        return session.execute(
            "select deposit_id, count(*), sum(amount_minor) from cardops.deposit_events"
            " where deposit_id ~ %s group by deposit_id order by 1",
            (deposits,),
        ).fetchall()


def ctrl_c(running: Up) -> None:
    """It ends every process."""
    of_start = of_home(running.home)
    running.process.send_signal(signal.SIGINT)

    assert running.process.wait(timeout=240) == 0
    wait_until_ended(running.home)
    assert not [pid for pid in of_start if Path(f"/proc/{pid}/root").exists() and _is_ours(pid)]
    assert not (running.home / "run" / "ports.json").exists()


def newer_version(folder: Path) -> Path:
    """A copy of the program with a migration more, whose balances show a figure of another name."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part)
    balances = folder / "assets" / "balances.py"
    balances.write_text(balances.read_text().replace('"accounts_below_zero"', f'"{NEWER_FIGURE}"'))
    number = known_migrations()[-1].version + 1
    migration = folder / "cardops/adapters/postgresql/migrations" / f"{number:04}_newer_version.sql"
    migration.write_text("create table newer_version (id bigint primary key);\n")
    return folder


def _is_ours(pid: int) -> bool:
    """False for another process that reuses the id."""
    with suppress(OSError):
        return "orchestration" in description_of(Path(f"/proc/{pid}"))
    return False
