"""A schema that is newer or older than an authorizer, under constant load."""

import asyncio
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.migrate import known_migrations, migrate
from tests.factories.later_release import VERSION, later_release
from tests.factories.waiting import until
from tests.oracles.history_runs import SETTINGS, assert_legal
from tests.oracles.ledger_totals import rows
from tests.oracles.recording import Call, Recorder
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.killable_credit import credit_users, start_crediting

pytestmark = pytest.mark.database

USERS = ["user_1", "user_2", "user_3"]
# The last migration that crediting a deposit needs; processes that credit do not migrate here.
OLDER = 12
APPLIED = "select version from schema_migrations order by version"


async def until_answered(recorder: Recorder, count: int, *, since: float) -> None:
    """Wait until so many requests that began after `since` were answered."""
    await until(lambda: len(answered(recorder.calls, since)) >= count, f"{count} answers")


def answered(calls: list[Call], since: float) -> list[Call]:
    return [call for call in calls if call.began > since and call.status == 200]


def assert_refused_only_between(began: float, ended: float, recorders: list[Recorder]) -> None:
    """Only requests concurrent with the migration were refused, with 503."""
    calls = [call for recorder in recorders for call in recorder.calls]
    assert {call.status for call in calls} <= {200, 404, 409, 422, 503}
    refused = [call for call in calls if call.status == 503]
    assert all(began < call.ended and call.began < ended for call in refused)
    assert len(refused) < len(calls) / 10


async def test_two_releases_run_side_by_side_under_load(database_url: str, tmp_path: Path) -> None:
    """A later release migrates the schema and runs beside ours; then ours starts a second time.

    The responses of all processes have one legal order per account.
    """
    credit_users(database_url, dict.fromkeys(USERS, 100_000))
    later = await asyncio.to_thread(later_release, tmp_path / "later")
    with ExitStack() as stack:
        ours = stack.enter_context(AuthorizerProcess(database_url, tmp_path, SETTINGS))
        recorders = [Recorder([ours.port], ours.key, USERS, seed=1)]
        loads = [asyncio.create_task(recorders[0].run(1_000_000, connections=8))]
        await until_answered(recorders[0], 100, since=0.0)
        theirs = replace(ours, settings={**SETTINGS, **later})
        theirs.programs, theirs.key = ours.programs, ours.key
        starting_at = time.monotonic()
        await asyncio.to_thread(theirs.start)
        stack.callback(theirs.kill)
        migrated_at = time.monotonic()
        # The second load goes to both processes.
        recorders.append(Recorder([ours.port, theirs.port], ours.key, USERS, seed=2))
        loads.append(asyncio.create_task(recorders[1].run(1_000_000, connections=8)))
        for recorder in recorders:
            await until_answered(recorder, 150, since=migrated_at)
        with ours.second_process() as restarted:
            recorders.append(Recorder([restarted.port], ours.key, USERS, seed=3))
            loads.append(asyncio.create_task(recorders[2].run(1_000_000, connections=4)))
            await until_answered(recorders[2], 100, since=0.0)
            for recorder in recorders:
                recorder.stop()
            await asyncio.gather(*loads)

    assert rows(database_url, APPLIED)[-1] == (VERSION,)
    assert_refused_only_between(starting_at, migrated_at, recorders)
    recorders[0].calls += [*recorders[1].calls, *recorders[2].calls]
    assert_legal(database_url, recorders[0], {900: (0.0, 1.0)})


@pytest.fixture
def older_url(empty_database_url: str) -> str:
    """A database of an older release with funded users."""
    older = [migration for migration in known_migrations() if migration.version <= OLDER]
    with connect(empty_database_url) as session:
        migrate(session, older)
    credit_users(empty_database_url, dict.fromkeys(USERS, 100_000))
    return empty_database_url


async def test_two_processes_migrate_an_older_schema_under_load(
    older_url: str, tmp_path: Path
) -> None:
    """Deposits and requests continue during the migration."""
    with ExitStack() as stack:
        began = time.monotonic()
        loading = start_crediting(older_url, 1, rows=4_000, users=40)
        stack.callback(loading.kill)
        first = AuthorizerProcess(older_url, tmp_path, SETTINGS)
        await asyncio.to_thread(stack.enter_context, first)
        second = stack.enter_context(first.second_process())
        names = [f"user_{number}" for number in range(40)]
        recorder = Recorder([first.port, second.port], first.key, names)
        load = asyncio.create_task(recorder.run(1_000_000, connections=16))
        assert await asyncio.to_thread(loading.wait, 60) == 0
        ended = time.monotonic()
        await until_answered(recorder, 300, since=0.0)
        recorder.stop()
        await load
        first.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.process.wait, 20) == 0

    known = [(migration.version,) for migration in known_migrations()]
    assert rows(older_url, APPLIED) == known
    assert {call.status for call in recorder.calls} <= {200, 404, 409, 422}
    assert_legal(older_url, recorder, {900: (0.0, 1.0), 1: (began - 30, ended)})
