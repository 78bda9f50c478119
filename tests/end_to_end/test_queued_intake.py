"""From an upload to a bucket to the credit: events over SQS, the intake worker, the real ledger; moto is the AWS."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.rules.programs.programs import Program
from orchestration.local import intake_process
from orchestration.local.intake_worker import IntakeWorker
from tests.factories.databases import new_database, new_home
from tests.factories.demo_days import Instance
from tests.factories.waiting import wait_until
from tests.servers.s3 import REGION, bucket, moto_server

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(300)]
FILE = "user_id,amount,deposit_id,timestamp\n{},25.00,{},2026-01-01T00:00:00Z\n"


@pytest.fixture
def instance(server_url: str) -> Iterator[Instance]:
    """An instance whose raw files are in a bucket that tells a queue of them."""
    with (
        moto_server() as server,
        bucket(server) as url,
        new_home() as home,
        new_database(server_url) as database_url,
        # Undone before the bucket's own variables: else these would come back after them, and stay.
        pytest.MonkeyPatch.context() as environment,
    ):
        name = url.removeprefix("s3://")
        sqs: Any = boto3.client("sqs", region_name=REGION)
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        boto3.client("s3", region_name=REGION).put_bucket_notification_configuration(
            Bucket=name,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": arn["Attributes"]["QueueArn"],
                        "Events": ["s3:ObjectCreated:*"],
                    }
                ]
            },
        )
        stores = {"raw_url": f"{url}/raw", "failed_url": f"{url}/failed"}
        made = Instance(home, {"database_url": database_url, "events_queue_url": queue, **stores})
        for variable, value in made.environment.items():
            environment.setenv(variable, value)
        Adapters(made.settings).programs.create(Program("default", currency="USD"))
        yield made


@contextmanager
def running(worker: IntakeWorker) -> Iterator[None]:
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def test_uploads_told_by_a_queue_are_credited_once(instance: Instance) -> None:
    raw_url, queue = instance.overrides["raw_url"], instance.overrides["events_queue_url"]
    name = raw_url.removeprefix("s3://").partition("/")[0]
    s3, sqs = boto3.client("s3", region_name=REGION), boto3.client("sqs", region_name=REGION)

    def put(key: str, user: str) -> None:
        body = FILE.format(user, f"deposit-{user}")
        s3.put_object(Bucket=name, Key=f"raw/incoming/deposits/{key}", Body=body.encode())

    def left() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]  # type: ignore[arg-type]
        return sum(map(int, found.values()))

    with (
        connect(instance.overrides["database_url"]) as session,
        running(intake_process.make_worker(instance.settings)),
    ):
        session.autocommit = True

        def balances() -> list[tuple[Any, ...]]:
            return session.execute(
                "select user_id, available_minor from accounts order by user_id"
            ).fetchall()

        put("before.csv", "user_1")
        wait_until(lambda: len(balances()) == 1, "the first credit")
        put("default/2026-11-20/a b,+ü.csv", "user_2")
        put("before.csv", "user_1")  # the same again: another event, no other credit
        wait_until(lambda: len(balances()) == 2 and not left(), "the second credit")

        assert balances() == [("user_1", 2500), ("user_2", 2500)]
        files = session.execute("select count(*) from intake_files").fetchone()
    assert files == (2,)
