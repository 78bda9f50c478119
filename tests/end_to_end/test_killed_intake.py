"""An intake worker that is killed anywhere: every file is credited once, by the next worker or the sensor."""

import signal
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import FileStatus, Kind
from cardops.rules.intake.retries import Tries
from cardops.rules.programs.programs import Program
from orchestration.definitions import build_defs
from orchestration.local.in_process import InProcessRuns
from sensors.cursor import Cursor
from tests.factories.demo_days import ROOT, Instance
from tests.servers.killable_intake import PLACES, work_and_die
from tests.servers.warm_command import WarmProcess

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(600)]
DEPOSITS = Kind("deposits")
TIMEOUT_SECONDS = 120.0


def drop(adapters: Adapters, name: str) -> None:
    rows = f"user_id,amount,deposit_id,timestamp\nuser_1,25.00,{name},2026-01-01T00:00:00Z\n"
    adapters.raw_store.create(f"incoming/deposits/{name}.csv", rows.encode())


def recover(adapters: Adapters, runs: InProcessRuns) -> list[dg.RunRequest]:
    """A tick of the arrival sensor when its pause is over; the runs that it requests are run."""
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    unfinished = adapters.intake_ledger.unfinished(DEPOSITS)
    cursor = Cursor(tries={file.intake_id: Tries(0, long_ago) for file in unfinished})
    repository = build_defs(with_dbt=False).get_repository_def()
    with dg.build_sensor_context(
        instance=runs.instance,
        cursor=cursor.text(),
        repository_def=repository,
        resources=dict(repository.get_top_level_resources()),
    ) as context:
        data = repository.get_sensor_def("deposit_arrival_sensor").evaluate_tick(context)
    requests = list(data.run_requests or ())
    for request in requests:
        runs.run(
            KINDS[DEPOSITS].job_name,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=request.tags,
        )
    return requests


def test_files_of_a_killed_worker_are_credited_once(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in instance.environment.items():
        monkeypatch.setenv(name, value)
    adapters = Adapters(instance.settings)
    adapters.programs.create(Program("default", currency="USD"))
    process = WarmProcess(instance.environment, ROOT, TIMEOUT_SECONDS)

    for place in PLACES:
        drop(adapters, place)
        done = process.run(work_and_die, place)
        assert done.returncode == -signal.SIGKILL, f"did not die at {place}: {done.stderr[-3000:]}"
    drop(adapters, "undisturbed")
    done = process.run(work_and_die, None)
    assert done.returncode == 0, done.stderr[-3000:]

    runs = InProcessRuns(instance.settings)
    requests = recover(adapters, runs)

    files = adapters.intake_ledger.claimed_on(DEPOSITS, adapters.database_clock.now().date())
    assert {file.status for file in files} == {FileStatus.APPLIED}
    assert len(files) == len(PLACES) + 1
    assert requests, "the sensor had nothing to recover: the worker did not die in a run"
    with connect(adapters.database.url) as session:
        credited = session.execute("select deposit_id, amount_minor from deposit_events").fetchall()
    assert sorted(credited) == sorted((name, 2500) for name in [*PLACES, "undisturbed"])
    left_open = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    assert not runs.instance.get_runs(left_open)
