"""A storm of objects told by a queue, to workers that are killed: each is taken once and credited once.

Taken means claimed in the intake ledger, which is when its message is deleted; crediting takes longer.
"""

import json
import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.rules.intake.files import FileStatus, Kind
from cardops.rules.programs.programs import Program
from orchestration.local.in_process import InProcessRuns
from orchestration.local.intake_process import intake_resources
from sensors.intake import MAX_FILES_A_RUN, files_by_partition
from tests.factories.demo_days import ROOT, Instance
from tests.factories.waiting import wait_until
from tests.servers.queue_server import Queue, queue_server
from tests.servers.queued_intake import BUCKET, named_as_a_bucket, work
from tests.servers.warm_command import WarmProcess

pytestmark = [pytest.mark.database, pytest.mark.dagster]
DEPOSITS, ORDERS = Kind("deposits"), Kind("orders")
KILLS = 3
AMOUNT_MINOR = 2500


def put_files(adapters: Adapters, count: int) -> list[dict[str, Any]]:
    """Small files of two kinds in the raw store; the record of each that tells of it."""
    store, records = named_as_a_bucket(adapters.settings), []
    for kind in (DEPOSITS, ORDERS):
        (store.root / f"incoming/{kind}").mkdir(parents=True)
    for number in range(count):
        key, rows = a_file(number)
        (store.root / key).write_text(rows)
        stat = store.find(key)
        assert stat is not None
        records.append(
            {
                "eventSource": "aws:s3",
                "eventTime": datetime.now(UTC).isoformat(),
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": BUCKET},
                    "object": {"key": f"raw/{key}", "size": len(rows), "eTag": stat.version},
                },
            }
        )
    return records


def a_file(number: int) -> tuple[str, str]:
    if number % 4:
        row = f"user_{number % 97},25.00,storm-{number},2026-01-01T00:00:00Z"
        return f"incoming/deposits/{number:05}.csv", f"user_id,amount,deposit_id,timestamp\n{row}\n"
    row = f"order-{number},user_{number % 97},25.00,USD,paid,2026-01-01T00:00:00Z"
    header = "order_id,user_id,amount,currency,status,created_at"
    return f"incoming/orders/{number:05}.csv", f"{header}\n{row}\n"


def tell(queue: Queue, records: list[dict[str, Any]]) -> None:
    """Every record in random order, a tenth of them twice."""
    told = records + records[: len(records) // 10]
    random.Random(5).shuffle(told)  # noqa: S311 - a test's order
    bodies = [json.dumps({"Records": [record]}) for record in told]
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": b} for n, b in enumerate(bodies[start:][:10])]
        queue.operations["SendMessageBatch"]({"Entries": entries})


class Storm:
    """Workers of one instance that read one queue, one after the other."""

    def __init__(self, instance: Instance, adapters: Adapters, url: str, files_a_poll: int) -> None:
        self.process = WarmProcess(instance.environment, ROOT, 0)
        self.session = connect(adapters.database.url)
        self.arguments = (url, 10, files_a_poll)

    def count(self, status: str = "%") -> int:
        row = self.session.execute(
            "select count(*) from intake_files where status like %s", [status]
        ).fetchone()
        self.session.rollback()
        return int(row[0]) if row else 0

    def has_taken(self, count: int) -> bool:
        return self.count() >= count

    def work_until(self, is_over: Callable[[], bool], *, signalled: int) -> None:
        """A worker that ends by this signal when something is so; none where it is so already."""
        if is_over() and signalled == signal.SIGTERM:
            return
        worker = self.process.start(work, *self.arguments)
        try:
            wait_until(
                lambda: is_over() or not worker.is_alive(), seconds=1500.0, pause_seconds=0.2
            )
            assert worker.is_alive(), "the worker ended by itself"
        finally:
            if worker.pid and worker.is_alive():
                send_signal(worker, signalled)
            worker.join(120)
        assert worker.exitcode == (0 if signalled == signal.SIGTERM else -signalled)


def send_signal(process: multiprocessing.process.BaseProcess, number: int) -> None:
    if number == signal.SIGKILL:
        process.kill()
    else:
        process.terminate()


@pytest.mark.parametrize(
    ("objects", "files_a_poll"),
    [
        pytest.param(120, 15, marks=pytest.mark.timeout(300)),
        pytest.param(10_000, 500, marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
    ],
)
def test_storm_of_events_with_killed_workers_is_taken_once_and_credited_once(
    instance: Instance,
    objects: int,
    files_a_poll: int,
    record_property: Callable[[str, object], None],
) -> None:
    adapters = Adapters(instance.settings)
    adapters.programs.create(Program("default", currency="USD"))
    records = put_files(adapters, objects)
    with queue_server() as (queue, url):
        tell(queue, records)
        storm = Storm(instance, adapters, url, files_a_poll)
        begun = time.monotonic()
        for kill in range(1, KILLS + 1):
            wanted = objects * kill // (KILLS + 2)
            storm.work_until(partial(storm.has_taken, wanted), signalled=signal.SIGKILL)

        storm.work_until(
            lambda: storm.count() == objects and queue.left() == 0, signalled=signal.SIGTERM
        )
        record_property("seconds until taken and stopped", time.monotonic() - begun)
        assert queue.dead == []
        # What waits for a run is taken over by the next worker, what a killed run began is left to sensors.
        runs = finish_interrupted(instance, adapters)
        storm.work_until(lambda: not storm.count("claimed"), signalled=signal.SIGTERM)
        record_property("seconds until ingested", time.monotonic() - begun)
        assert queue.left() == 0

    assert_each_once(storm, objects)
    # A kind's files of one moment are one run; a start takes over what was claimed before it.
    made = len(runs.instance.get_runs())
    record_property("runs", made)
    assert made <= 2 * (KILLS + 4) + objects // min(MAX_FILES_A_RUN, files_a_poll) + 2


def finish_interrupted(instance: Instance, adapters: Adapters) -> InProcessRuns:
    """Run again what killed runs began, as the arrival sensors request it after their pause."""
    store = named_as_a_bucket(instance.settings)
    resources: dict[str, Any] = {**intake_resources(adapters), "raw_store": store}
    runs = InProcessRuns(instance.settings, resource_overrides=resources)
    for kind in (DEPOSITS, ORDERS):
        left = adapters.intake_ledger.unfinished(kind)
        begun = [file for file in left if file.status is FileStatus.APPLYING]
        for files in files_by_partition(begun):
            runs.ingest_file(kind, files)
    return runs


def assert_each_once(storm: Storm, objects: int) -> None:
    deposits = objects - len(range(0, objects, 4))
    taken = storm.session.execute(
        "select count(*), count(distinct key), count(*) filter (where status = 'applied'),"
        " sum((outcome ->> 'accepted')::int) from intake_files"
    ).fetchone()
    credited = storm.session.execute(
        "select count(*), count(distinct deposit_id), sum(amount_minor)::bigint from deposit_events"
    ).fetchone()
    balance = storm.session.execute("select sum(available_minor)::bigint from accounts").fetchone()
    storm.session.close()
    assert taken == (objects, objects, objects, objects)
    assert credited == (deposits, deposits, deposits * AMOUNT_MINOR)
    assert balance == (deposits * AMOUNT_MINOR,)
