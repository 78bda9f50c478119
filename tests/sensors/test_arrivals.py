"""What arrives is claimed once and run once, however often a tick is made or dies."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from cardops.adapters.postgresql.connection import connect
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile, Kind
from cardops.rules.intake.retries import MAX_TRIES, Tries
from cardops.rules.intake.sweeps import Sweep
from cardops.rules.programs.programs import Program
from cardops.services.intake import recovery
from cardops.services.intake.claiming import Claims
from sensors.cursor import Cursor
from sensors.intake import (
    INTAKE_TAG,
    MAX_FILES_A_RUN,
    MAX_WAITING_RUNS,
    REST_SECONDS,
    WHY_AT_REST,
)
from sensors.intake_presence import KEY, VALID_SECONDS, tell
from sensors.processes import PROCESS_TAG, process_tag
from tests.sensors.conftest import Desk

pytestmark = pytest.mark.dagster


def numbers_of(request: dg.RunRequest) -> list[int]:
    config: dict[str, Any] = dict(request.run_config)
    (op,) = config["ops"].values()
    return list(op["config"]["intake_ids"])


def under_way(administration: Desk, request: dg.RunRequest) -> str:
    """The daemon has made the run that was asked for."""
    run = dg.DagsterRun(
        job_name=KINDS[administration.kind].job_name,
        run_id=dg_run_id(administration),
        tags={**request.tags},
    ).with_status(dg.DagsterRunStatus.STARTED)
    administration.instance.add_run(run)
    return run.run_id


def queued(job_name: str, run_id: str) -> dg.DagsterRun:
    """A run that waits for the daemon to start it."""
    location = RegisteredCodeLocationOrigin("cardops")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "repository"), job_name)
    return dg.DagsterRun(
        job_name=job_name,
        run_id=run_id,
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin,
        job_code_origin=JobPythonOrigin(
            job_name, RepositoryPythonOrigin("python", ModuleCodePointer("m", "f"))
        ),
    )


def dg_run_id(administration: Desk) -> str:
    return f"{administration.instance.get_runs_count():032x}"


def test_one_run_gets_all_files_of_a_tick_in_arrival_order(deposits: Desk) -> None:
    deposits.put("b.csv", "2")
    deposits.put("a.csv", "1")

    (request,) = deposits.tick()

    assert request.partition_key == "2026-11-20"
    assert numbers_of(request) == [1, 2]
    assert request.tags[INTAKE_TAG] == "1,2"
    assert int(request.tags["dagster/priority"]) > 0
    assert deposits.ledger.find(1).arrival.key == "incoming/deposits/a.csv"


def test_second_tick_requests_and_reads_nothing(deposits: Desk) -> None:
    deposits.put("a.csv")
    (request,) = deposits.tick()
    under_way(deposits, request)
    deposits.raw_store.reads.clear()

    assert deposits.tick() == []
    assert deposits.raw_store.reads == []


def test_nothing_is_claimed_while_many_runs_wait_for_a_place(deposits: Desk) -> None:
    deposits.put("first.csv")
    deposits.tick()
    cursor = deposits.cursor
    job_name = KINDS[deposits.kind].job_name
    for number in range(MAX_WAITING_RUNS):
        deposits.instance.add_run(queued(job_name, f"{number:032x}"))
    deposits.put("late.csv")

    assert deposits.tick() == []
    assert len(deposits.ledger.files) == 1
    assert deposits.cursor == cursor
    assert f"{MAX_WAITING_RUNS} runs of {job_name} wait" in (deposits.skip_message or "")

    deposits.instance.delete_run("0" * 32)
    (request,) = deposits.tick()
    assert "late.csv" in deposits.ledger.find(2).arrival.key
    assert 2 in numbers_of(request)


def test_lost_cursor_causes_no_second_claim(deposits: Desk) -> None:
    deposits.put("a.csv")
    (request,) = deposits.tick()
    under_way(deposits, request)
    deposits.cursor = None

    assert deposits.tick() == []
    assert len(deposits.ledger.files) == 1


def test_same_content_put_again_is_not_claimed_again(deposits: Desk) -> None:
    deposits.put("a.csv", "same")
    deposits.tick()
    deposits.ledger.finish(1, FileOutcome())
    deposits.put("a.csv", "same")

    assert deposits.tick() == []
    deposits.raw_store.reads.clear()
    assert deposits.tick() == []
    assert deposits.raw_store.reads == [], "its new version is known by now"


def test_other_content_under_the_same_name_is_a_new_file(deposits: Desk) -> None:
    deposits.put("a.csv", "first")
    deposits.tick()
    deposits.ledger.finish(1, FileOutcome())
    deposits.put("a.csv", "second")

    (request,) = deposits.tick()

    assert numbers_of(request) == [2]


def test_growing_file_waits_until_unchanged_over_two_polls(deposits: Desk) -> None:
    key = deposits.put("a.csv", "half")
    deposits.raw_store.unfinished.add(key)
    assert deposits.tick() == []
    deposits.put("a.csv", "half and half")
    assert deposits.tick() == [], "it grew in between"

    (request,) = deposits.tick()

    assert numbers_of(request) == [1]
    assert deposits.ledger.find(1).arrival.size_bytes == len("half and half")


def test_temporary_transfer_names_are_ignored(deposits: Desk) -> None:
    deposits.put(".a.csv.X1")
    deposits.put("a.csv.part")

    assert deposits.tick() == []
    assert deposits.ledger.files == {}


def test_first_folder_assigns_the_file_to_its_program(deposits: Desk) -> None:
    deposits.programs.create(Program("acme"))
    deposits.put("acme/2026/a.csv")

    deposits.tick()

    assert deposits.ledger.find(1).arrival.program == "acme"


def test_file_of_unregistered_program_is_refused_and_creates_none(
    deposits: Desk,
) -> None:
    deposits.put("nobody/a.csv")

    assert deposits.tick() == []

    refused = deposits.ledger.find(1)
    assert refused.status is FileStatus.REFUSED
    assert refused.outcome is not None
    assert "cardops program create nobody" in str(refused.outcome.error)
    (error,) = (json.loads(body) for body in deposits.failed_store.contents.values())
    assert error["error"] == refused.outcome.error
    ((subject, message, runbook),) = deposits.notifier.alarms
    assert subject == "incoming/deposits/nobody/a.csv was refused"
    assert str(refused.outcome.error) in message
    assert runbook == "docs/runbooks/quarantine.md"
    assert deposits.programs.find("nobody") is None
    assert deposits.tick() == []


def test_file_removed_after_listing_is_ignored(deposits: Desk) -> None:
    key = deposits.put("a.csv")
    listed = deposits.raw_store.list_objects("")
    deposits.raw_store.delete(key)
    deposits.raw_store.list_objects = lambda prefix: listed  # type: ignore[method-assign]

    assert deposits.tick() == []
    assert deposits.ledger.files == {}


def test_file_claimed_by_a_crashed_tick_is_run_after_a_pause(deposits: Desk) -> None:
    deposits.put("a.csv")
    before = deposits.cursor
    deposits.tick()
    deposits.cursor = before  # the daemon died before it stored the tick's result

    assert deposits.tick() == []
    deposits.clock.advance(seconds=31)
    (request,) = deposits.tick()

    assert numbers_of(request) == [1]


def test_file_of_an_unfinished_run_is_not_requested_again(deposits: Desk) -> None:
    deposits.put("a.csv")
    (request,) = deposits.tick()
    under_way(deposits, request)
    deposits.clock.advance(hours=5)

    assert deposits.tick() == []


def test_file_of_crashed_runs_is_retried_with_back_off_then_dead(
    deposits: Desk,
) -> None:
    deposits.put("a.csv")
    deposits.tick()
    keys = set()
    for _ in range(60):
        keys |= {request.run_key for request in deposits.tick()}
        deposits.clock.advance(minutes=30)

    assert len(keys) == MAX_TRIES, "each try is a run of its own"
    assert deposits.ledger.find(1).status is FileStatus.DEAD
    (alarm,) = deposits.notifier.alarms
    assert alarm[2] == "docs/runbooks/intake-file-dead.md"
    assert "a.csv" in alarm[1]


def test_released_file_gets_runs_of_its_own_again(deposits: Desk) -> None:
    deposits.put("a.csv")
    deposits.tick()
    keys: list[str] = []
    for _ in range(2):
        for _ in range(60):
            keys += [request.run_key or "" for request in deposits.tick()]
            deposits.clock.advance(minutes=30)
        assert deposits.ledger.find(1).status is FileStatus.DEAD
        deposits.ledger.restart(1)

    assert len(set(keys)) == len(keys) == 2 * MAX_TRIES, "Dagster skips a key that it has run"


def test_file_marked_dead_by_its_run_raises_one_alarm(deposits: Desk) -> None:
    deposits.put("a.csv")
    deposits.tick()
    deposits.tick()
    deposits.ledger.mark(1, FileStatus.DEAD)

    for _ in range(3):
        deposits.tick()

    assert len(deposits.notifier.alarms) == 1


def test_many_files_are_claimed_in_portions_with_a_bounded_cursor(deposits: Desk) -> None:
    for number in range(700):
        deposits.raw_store.unfinished.add(deposits.put(f"{number:04}.csv", str(number)))
    taken: list[int] = []
    for _ in range(20):
        for request in deposits.tick():
            taken += numbers_of(request)
            assert len(numbers_of(request)) <= 100
            for number in numbers_of(request):
                deposits.ledger.finish(number, FileOutcome())
        assert len(deposits.cursor or "") < 100_000
    assert len(taken) == len(set(taken)) == 700


@pytest.mark.database
def test_tags_of_runs_of_many_files_fit_into_dagsters_index(
    deposits: Desk, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of ten digits that cannot be compressed, released again and again; new and held files come beside them."""
    monkeypatch.setattr(recovery, "MAX_UNFINISHED", 10_000)
    count = MAX_FILES_A_RUN + 60
    deposits.ledger.files = {
        number: replace(claimed, intake_id=number, attempt_series=12)
        for number, claimed in zip(
            random.Random(0).sample(range(10**9, 10**10), count),  # noqa: S311 - any will do
            claimed_before(deposits, count),
            strict=True,
        )
    }
    deposits.tick()
    deposits.clock.advance(seconds=31)

    requests = deposits.tick()

    assert [len(numbers_of(request)) for request in requests] == [MAX_FILES_A_RUN, 60]
    taken = [number for request in requests for number in numbers_of(request)]
    assert sorted(taken) == sorted(deposits.ledger.files)
    assert len({request.run_key for request in requests}) == len(requests)
    with connect(empty_database_url) as session:
        session.execute("create temp table run_tags (key text, value text)")
        session.execute("create index on run_tags (key, value)")  # as Dagster makes it
        for request in requests:
            tags = {**request.tags, "dagster/run_key": request.run_key}
            for tag in tags.items():
                assert len("".join(map(str, tag))) <= 2_680, "with it, the index adds some bytes"
                session.execute("insert into run_tags values (%s, %s)", tag)


def claimed_before(deposits: Desk, count: int) -> list[IntakeFile]:
    """Files that a tick claimed whose result was lost."""
    for number in range(count):
        deposits.put(f"{number:04}.csv", str(number))
    claims = Claims(
        deposits.raw_store,
        deposits.failed_store,
        deposits.ledger,
        deposits.programs,
        deposits.clock,
    )
    return claims.claim(deposits.kind, deposits.raw_store.list_objects(""))


def test_unreadable_cursor_starts_empty() -> None:
    naive = '{"tries": {"1": {"count": 1, "last_at": "2026-11-20T00:00:00"}}}'
    words = '{"tries": {"1": {"count": "many", "last_at": "2026-11-20T00:00:00Z"}}}'
    for text in (None, "", "nonsense", "[]", '{"tries": {"1": {"count": 1}}}', "{}", naive, words):
        assert Cursor.parse(text) == Cursor()


def test_run_that_a_person_gave_any_tag_holds_up_no_file(deposits: Desk) -> None:
    for number, tags in enumerate(({INTAKE_TAG: "all, please"}, {PROCESS_TAG: "mine"})):
        run = dg.DagsterRun(job_name="deposit_intake", run_id=f"{number:032x}", tags=tags)
        deposits.instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))
    deposits.put("a.csv")

    assert [numbers_of(request) for request in deposits.tick()] == [[1]]


def test_cursor_round_trips_through_text(deposits: Desk) -> None:
    deposits.put("a.csv")
    deposits.raw_store.unfinished.add(deposits.put("b.csv"))
    deposits.tick()
    deposits.tick()

    cursor = Cursor.parse(deposits.cursor)

    assert Cursor.parse(cursor.text()) == cursor
    assert set(cursor.tries) == {1, 2}


def test_chargeback_files_of_a_tick_make_one_batch_per_program(chargebacks: Desk) -> None:
    chargebacks.programs.create(Program("acme", chargeback_mode="size_balanced"))
    for name in ("a.csv", "b.csv", "acme/c.csv"):
        chargebacks.put(name, name)

    requests = chargebacks.tick()

    assert [request.partition_key for request in requests] == [
        "acme-2026-11-20-001",
        "default-2026-11-20-001",
    ]
    assert [len(numbers_of(request)) for request in requests] == [1, 2]
    assert chargebacks.ledger.batch("acme-2026-11-20-001").mode == "size_balanced"
    assert set(chargebacks.instance.get_dynamic_partitions("chargeback_batch")) == {
        "acme-2026-11-20-001",
        "default-2026-11-20-001",
    }


def test_later_chargeback_files_make_another_batch(chargebacks: Desk) -> None:
    chargebacks.put("a.csv", "1")
    (first,) = chargebacks.tick()
    chargebacks.put("b.csv", "2")

    (second,) = chargebacks.tick()

    assert first.partition_key == "default-2026-11-20-001"
    assert second.partition_key == "default-2026-11-20-002"
    assert numbers_of(second) == [2]


def test_batch_of_a_crashed_tick_gets_its_partition_and_run(chargebacks: Desk) -> None:
    chargebacks.put("a.csv")
    Claims(
        chargebacks.raw_store,
        chargebacks.failed_store,
        chargebacks.ledger,
        chargebacks.programs,
        chargebacks.clock,
    ).claim_batches(Kind("chargebacks"), chargebacks.raw_store.list_objects(""))
    chargebacks.tick()
    chargebacks.clock.advance(minutes=1)

    (request,) = chargebacks.tick()

    assert request.partition_key == "default-2026-11-20-001"
    assert chargebacks.instance.get_dynamic_partitions("chargeback_batch") == [
        "default-2026-11-20-001"
    ]


def test_business_date_stays_the_day_of_the_claim(deposits: Desk) -> None:
    deposits.put("a.csv")
    deposits.tick()
    deposits.tick()
    deposits.clock.advance(days=1)

    (request,) = deposits.tick()

    assert deposits.ledger.find(1).business_date == date(2026, 11, 20)
    assert request.partition_key == "2026-11-20"


def worker_process(*, ends: bool) -> subprocess.Popen[bytes]:
    """Stands for the process of an intake worker."""
    process = subprocess.Popen(
        [sys.executable, "-c", "" if ends else "import time; time.sleep(600)"]
    )
    if ends:
        process.wait()
    return process


def say_of(instance: dg.DagsterInstance, process: subprocess.Popen[bytes], *kinds: Kind) -> None:
    """As a worker in that process does it."""
    host = process_tag().rpartition(":")[0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sensors.intake_presence.process_tag", lambda: f"{host}:{process.pid}")
        tell(instance, kinds)


def test_sensor_rests_while_the_worker_lives_and_looks_at_once_when_it_is_killed(
    deposits: Desk,
) -> None:
    worker = worker_process(ends=False)
    try:
        deposits.tick()
        looked = deposits.cursor
        say_of(deposits.instance, worker, deposits.kind)
        deposits.put("a.csv")

        assert deposits.tick() == []
        assert deposits.skip_message == WHY_AT_REST
        assert deposits.cursor == looked
    finally:
        worker.kill()
        worker.wait()

    assert len(deposits.tick()) == 1


@pytest.mark.parametrize(
    "why",
    [
        "other kinds",
        "too long ago",
        "looked long ago",
        "perhaps being written",
        "tried again",
        "a part",
        "no worker",
    ],
)
def test_sensor_does_not_rest_where_something_may_be_left_to_it(deposits: Desk, why: str) -> None:
    deposits.tick()
    cursor = Cursor.parse(deposits.cursor)
    left = {
        "looked long ago": {"looked_at": cursor.looked_at - REST_SECONDS},
        "perhaps being written": {"waiting": {"incoming/deposits/b.csv": "1"}},
        "tried again": {"tries": {7: Tries(1, deposits.clock.now().isoformat())}},
        "a part": {"position": Sweep(after="incoming/deposits/a").text()},
    }
    deposits.cursor = replace(cursor, **left.get(why, {})).text()
    worker = worker_process(ends=why == "no worker")
    try:
        kind = Kind("orders") if why == "other kinds" else deposits.kind
        say_of(deposits.instance, worker, kind)
        if why == "too long ago":
            make_older(deposits.instance)
        deposits.put("a.csv")

        assert len(deposits.tick()) == 1
    finally:
        worker.kill()
        worker.wait()


def make_older(instance: dg.DagsterInstance) -> None:
    """What a worker said a minute ago."""
    storage = instance.daemon_cursor_storage
    said = json.loads(storage.get_cursor_values({KEY})[KEY])
    said["told_at"] -= VALID_SECONDS
    storage.set_cursor_values({KEY: json.dumps(said)})


def test_file_that_cannot_be_read_holds_up_no_other(deposits: Desk) -> None:
    unreadable = deposits.put("closed.csv", "b")
    deposits.put("open.csv")
    deposits.raw_store.unreadable.add(unreadable)

    (request,) = deposits.tick()

    assert numbers_of(request) == [1]
    assert not deposits.tick()
    assert unreadable in str(deposits.skip_message)
    deposits.raw_store.unreadable.clear()
    assert [numbers_of(request) for request in deposits.tick()] == [[2]]


@pytest.mark.parametrize("name", ["bad\udcff.csv", "new\nline.csv", "/empty.csv", "../up.csv"])
def test_name_that_is_no_key_holds_up_no_other(deposits: Desk, name: str) -> None:
    key = f"incoming/deposits/{name}"
    deposits.raw_store.contents[key], deposits.raw_store.versions[key] = b"a", 1
    deposits.put("open.csv", "b")

    (request,) = deposits.tick()

    assert numbers_of(request) == [1]
    assert [file.arrival.key for file in deposits.ledger.files.values()] == [
        "incoming/deposits/open.csv"
    ]
