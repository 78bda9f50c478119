"""Events over SQS: a message goes only when its objects are claimed, and nothing is lost or taken twice."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from cardops.adapters.aws import arrival_queue
from cardops.adapters.aws.arrival_queue import QueuedArrivals
from cardops.adapters.aws.queue_errors import ArrivalQueueError, UnfitQueueError
from cardops.adapters.aws.queue_opening import open_queue
from cardops.adapters.aws.s3_listing import S3Listing
from cardops.adapters.object_stores.opening import open_store
from cardops.ports import ObjectStore
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectStat, ObjectStoreError
from cardops.services.intake.claiming import Claims
from cardops.services.intake.looks import Looks
from cardops.settings import Settings, SettingsError
from tests.factories.waiting import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms
from tests.servers.s3 import REGION, bucket, moto_server

DEPOSITS, ORDERS = Kind("deposits"), Kind("orders")
MAX_RECEIVES = 5


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


class Desk:
    """A bucket, its queue with a dead-letter queue, and a ledger; readers come and go."""

    def __init__(self, url: str) -> None:
        self.bucket = url.removeprefix("s3://")
        self.sqs: Any = boto3.client("sqs", region_name=REGION)
        self.s3: Any = boto3.client("s3", region_name=REGION)
        self.store: ObjectStore = open_store(f"{url}/raw")
        self.ledger, self.notifier = FakeIntakeLedger(), FakeNotifier()
        self.dead = self.sqs.create_queue(QueueName=f"{self.bucket}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": MAX_RECEIVES}
        self.queue = self.sqs.create_queue(
            QueueName=self.bucket, Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        self.claims = Claims(
            self.store, FakeObjectStore(), self.ledger, FakePrograms(), FakeClock()
        )

    def arn(self, queue: str) -> str:
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(attributes["Attributes"]["QueueArn"])

    def notify_of_the_bucket(self) -> None:
        """Let the bucket itself write to the queue."""
        configuration = {"QueueArn": self.arn(self.queue), "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": [configuration]}
        )

    def reader(self, visibility_seconds: int = 30) -> QueuedArrivals:
        return QueuedArrivals(
            self.queue,
            self.sqs,
            S3Listing(f"s3://{self.bucket}/raw", self.s3),
            self.ledger,
            self.notifier,
            kinds=(DEPOSITS, ORDERS),
            visibility_seconds=visibility_seconds,
        )

    def put(self, key: str, content: str = "a") -> dict[str, Any]:
        """Put an object without an event; the record that tells of it."""
        self.store.replace(key, content.encode())
        stat = self.store.find(key)
        assert stat is not None
        return self.record(key, stat.version)

    def record(self, key: str, etag: str, *, at: datetime | None = None) -> dict[str, Any]:
        return {
            "eventSource": "aws:s3",
            "eventTime": (at or datetime.now(UTC)).isoformat(),
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": self.bucket},
                "object": {"key": f"raw/{key}", "size": 1, "eTag": etag},
            },
        }

    def send(self, *records: dict[str, Any]) -> None:
        self.send_text(json.dumps({"Records": records}))

    def send_text(self, *bodies: str) -> None:
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(number), "MessageBody": body}
                for number, body in enumerate(bodies[start : start + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def claimed(self) -> list[str]:
        return sorted(file.arrival.key for file in self.ledger.files.values())

    def left(self, queue: str | None = None) -> int:
        """Messages of the queue, whether they are visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=queue or self.queue, AttributeNames=names
        )["Attributes"]
        return sum(int(attributes[name]) for name in names)


@pytest.fixture
def desk(server: str) -> Iterator[Desk]:
    with bucket(server) as url:
        yield Desk(url)


def claim_all(
    desk: Desk, reader: QueuedArrivals, kinds: tuple[Kind, ...] = (DEPOSITS, ORDERS)
) -> None:
    """One wait, and one look of each kind."""
    reader.wait(0.0)
    for kind in kinds:
        Looks(kind, desk.claims).look(reader)


def test_upload_is_told_claimed_once_and_its_message_deleted(desk: Desk) -> None:
    desk.notify_of_the_bucket()
    key = "incoming/deposits/a b,+ü.csv"
    desk.s3.put_object(Bucket=desk.bucket, Key=f"raw/{key}", Body=b"a")
    reader = desk.reader()

    assert key in (reader.wait(5.0) or ())
    files, _ = Looks(DEPOSITS, desk.claims).look(reader)

    assert [file.arrival.key for file in files] == [key]
    assert desk.left() == 0  # also the test event that the bucket sent at first
    assert not desk.notifier.alarms
    reader.close()


def test_multipart_upload_is_claimed_once(desk: Desk) -> None:
    desk.notify_of_the_bucket()
    key = "raw/incoming/deposits/large.csv"
    upload = desk.s3.create_multipart_upload(Bucket=desk.bucket, Key=key)["UploadId"]
    named = {"Bucket": desk.bucket, "Key": key, "UploadId": upload}
    part = desk.s3.upload_part(**named, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    desk.s3.complete_multipart_upload(**named, MultipartUpload=parts)
    reader = desk.reader()

    claim_all(desk, reader)
    claim_all(desk, reader)

    assert desk.claimed() == ["incoming/deposits/large.csv"]
    assert desk.left() == 0
    reader.close()


def test_message_stays_until_its_object_is_claimed(desk: Desk) -> None:
    desk.send(desk.put("incoming/deposits/a.csv"))
    reader = desk.reader()
    reader.wait(0.0)

    poll = reader.poll(DEPOSITS, {})
    assert [stat.key for stat in poll.ready] == ["incoming/deposits/a.csv"]
    assert desk.left() == 1
    desk.claims.claim(DEPOSITS, poll.ready)
    assert desk.left() == 1
    reader.acknowledge(poll)

    assert desk.left() == 0
    reader.close()


def test_message_of_two_kinds_stays_until_both_are_claimed(desk: Desk) -> None:
    desk.send(desk.put("incoming/deposits/a.csv"), desk.put("incoming/orders/b.csv"))
    reader = desk.reader()

    claim_all(desk, reader, (DEPOSITS,))
    assert desk.left() == 1
    claim_all(desk, reader, (ORDERS,))

    assert desk.left() == 0
    assert desk.claimed() == ["incoming/deposits/a.csv", "incoming/orders/b.csv"]
    reader.close()


def test_killed_reader_leaves_its_messages_to_the_next(desk: Desk) -> None:
    desk.send(desk.put("incoming/deposits/a.csv"))
    killed = desk.reader(visibility_seconds=1)
    killed.wait(0.0)
    killed.poll(DEPOSITS, {})
    killed.close()  # nothing is acknowledged or extended any more

    second = desk.reader()

    def is_claimed() -> bool:
        claim_all(desk, second)
        return bool(desk.claimed())

    wait_until(is_claimed, "the message", pause_seconds=0.2)

    assert desk.left() == 0
    second.close()


def test_message_is_kept_from_other_readers_while_a_claim_is_under_way(desk: Desk) -> None:
    desk.send(desk.put("incoming/deposits/a.csv"))
    reader, other = desk.reader(visibility_seconds=1), desk.reader()
    reader.wait(0.0)
    poll = reader.poll(DEPOSITS, {})

    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert not other.wait(0.0)
        time.sleep(0.2)
    reader.acknowledge(poll)

    assert desk.left() == 0
    reader.close()
    other.close()


def test_duplicates_and_disorder_claim_each_content_once(desk: Desk) -> None:
    now = datetime.now(UTC)
    newest = desk.put("incoming/deposits/a.csv", "second")
    oldest = desk.record("incoming/deposits/a.csv", "gone", at=now - timedelta(hours=1))
    desk.send(newest)
    desk.send(oldest)
    desk.send(newest)
    reader = desk.reader()

    claim_all(desk, reader)
    desk.send(oldest)
    desk.send(newest)
    claim_all(desk, reader)

    assert desk.claimed() == ["incoming/deposits/a.csv"]
    assert desk.left() == 0
    reader.close()


def test_object_overwritten_during_a_claim_is_claimed_again(desk: Desk) -> None:
    desk.send(desk.put("incoming/deposits/a.csv", "first"))
    reader = desk.reader()
    reader.wait(0.0)
    poll = reader.poll(DEPOSITS, {})
    desk.claims.claim(DEPOSITS, poll.ready)
    desk.send(desk.put("incoming/deposits/a.csv", "second"))
    reader.wait(0.0)
    reader.acknowledge(poll)

    assert "incoming/deposits/a.csv" in (reader.wait(0.0) or ())
    Looks(DEPOSITS, desk.claims).look(reader)

    assert len({file.arrival.content_sha256 for file in desk.ledger.files.values()}) == 2
    assert desk.left() == 0
    reader.close()


def test_removed_object_and_one_without_an_etag_are_no_obstacle(desk: Desk) -> None:
    removed = desk.put("incoming/deposits/removed.csv")
    desk.store.delete("incoming/deposits/removed.csv")
    bare = desk.put("incoming/deposits/bare.csv")
    del bare["s3"]["object"]["eTag"]
    desk.send(removed)
    desk.send(bare)
    desk.send(bare)
    reader = desk.reader()

    claim_all(desk, reader)

    assert desk.claimed() == ["incoming/deposits/bare.csv"]
    assert desk.left() == 0
    reader.close()


def test_object_that_cannot_be_looked_at_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = desk.put("incoming/deposits/bare.csv")
    del bare["s3"]["object"]["eTag"]
    others = [f"incoming/deposits/{name}.csv" for name in "abcdefghi"]
    for record in (bare, *(desk.put(key, key) for key in others)):
        desk.send(record)
    find = S3Listing.find

    def refused(listing: S3Listing, key: str) -> ObjectStat | None:
        if key.endswith("bare.csv"):
            raise ObjectStoreError(f"{key} cannot be read (403).")
        return find(listing, key)

    reader = desk.reader()
    with monkeypatch.context() as patch:
        patch.setattr(S3Listing, "find", refused)
        claim_all(desk, reader)

    assert desk.claimed() == others
    assert desk.left() == 1
    reader.close()


def test_events_that_are_not_about_arrivals_are_deleted(desk: Desk) -> None:
    other = desk.record("incoming/deposits/a.csv", "e")
    other["s3"]["bucket"]["name"] = "another"
    outside = desk.record("incoming/deposits/a.csv", "e")
    outside["s3"]["object"]["key"] = "processed/a.csv"
    for record in (
        other,
        outside,
        *(desk.record(f"incoming/{name}", "e") for name in ("a.csv", "deposit/a.csv")),
        *(
            desk.record(f"incoming/deposits/{name}", "e")
            for name in ("a.csv.part", "a.csv.ctl.json")
        ),
    ):
        desk.send(record)
    desk.send_text('{"Service": "Amazon S3", "Event": "s3:TestEvent"}')
    reader = desk.reader()

    claim_all(desk, reader)

    assert desk.claimed() == []
    assert desk.left() == 0
    assert not desk.notifier.alarms
    reader.close()


def test_unreadable_message_is_one_alarm_and_goes_to_the_dead_letter_queue(desk: Desk) -> None:
    desk.send_text("hello")
    desk.send(desk.put("incoming/deposits/a.csv"))
    reader = desk.reader(visibility_seconds=1)

    def is_dead() -> bool:
        claim_all(desk, reader)
        return desk.left(desk.dead) == 1

    wait_until(is_dead, "the dead letter", pause_seconds=0.3)

    assert desk.left() == 0
    assert desk.claimed() == ["incoming/deposits/a.csv"]
    ((subject, message, runbook),) = desk.notifier.alarms
    assert "cannot be read" in subject
    assert "dead-letter" in message
    assert runbook == "docs/runbooks/arrivals.md"
    reader.close()


def test_broken_record_of_a_message_delays_none_of_its_others(desk: Desk) -> None:
    good = [desk.put(f"incoming/deposits/{number}.csv", str(number)) for number in range(3)]
    broken = desk.record("incoming/deposits/broken.csv", "e")
    del broken["s3"]["object"]["key"]
    desk.send(good[0], broken, *good[1:])
    reader = desk.reader(visibility_seconds=1)

    claim_all(desk, reader)

    assert desk.claimed() == [f"incoming/deposits/{number}.csv" for number in range(3)]
    assert desk.left() == 1, "it is left for the dead-letter queue, and told of"
    assert len(desk.notifier.alarms) == 1
    reader.close()


def test_object_that_cannot_be_read_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival_queue, "RETRY_SECONDS", 0.0)
    desk.send(desk.put("incoming/deposits/denied.csv"))
    desk.send(desk.put("incoming/deposits/a.csv"))
    real = desk.store.open
    denied = {"incoming/deposits/denied.csv"}

    def opened(key: str) -> Any:
        if key in denied:
            raise ObjectStoreError("its key may not be used")
        return real(key)

    monkeypatch.setattr(desk.store, "open", opened)
    reader = desk.reader()
    claim_all(desk, reader)
    assert desk.claimed() == ["incoming/deposits/a.csv"]
    assert desk.left() == 1

    denied.clear()
    assert "incoming/deposits/denied.csv" in (reader.wait(0.0) or ())
    claim_all(desk, reader)

    assert len(desk.claimed()) == 2
    assert desk.left() == 0
    reader.close()


def test_object_that_is_never_readable_goes_back_to_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival_queue, "RETRY_SECONDS", 0.0)
    desk.send(desk.put("incoming/deposits/denied.csv"))
    reader = desk.reader(visibility_seconds=600)
    reader.wait(0.0)
    for _ in range(arrival_queue.MAX_TRIES):
        assert len(reader.poll(DEPOSITS, {}).ready) == 1
    reader.wait(0.0)

    assert reader.poll(DEPOSITS, {}).ready == ()
    assert desk.left() == 1
    reader.close()


def test_full_reader_leaves_the_rest_in_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival_queue, "MAX_HELD", 20)
    for number in range(40):
        desk.send(desk.record(f"incoming/deposits/{number}.csv", "e"))
    reader = desk.reader()

    reader.wait(0.0)

    assert len(reader.poll(DEPOSITS, {}).ready) == 20
    reader.close()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            "create the queue, or correct CARDOPS_EVENTS_QUEUE_URL",
        ),
        ("AccessDenied", "allow sqs:ReceiveMessage"),
        ("ExpiredToken", "renew the credentials"),
        ("UnrecognizedClientException", "renew the credentials"),
        ("KMS.AccessDeniedException", "kms:Decrypt"),
        ("ThrottlingException", "higher limit"),
        ("InternalError", "check the network"),
    ],
)
def test_queue_that_cannot_be_read_says_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: str, advice: str
) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ReceiveMessage")

    reader = desk.reader()
    monkeypatch.setattr(desk.sqs, "receive_message", refused)

    with pytest.raises(ArrivalQueueError, match=advice) as raised:
        reader.wait(0.0)
    assert "found by listing" in str(raised.value)
    reader.close()


def test_missing_credentials_say_what_to_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise NoCredentialsError

    reader = desk.reader()
    monkeypatch.setattr(desk.sqs, "receive_message", refused)

    with pytest.raises(ArrivalQueueError, match="renew the credentials"):
        reader.wait(0.0)
    reader.close()


def test_deleted_queue_says_what_to_do(desk: Desk) -> None:
    desk.sqs.delete_queue(QueueUrl=desk.queue)
    reader = desk.reader()

    with pytest.raises(ArrivalQueueError, match="create the queue"):
        reader.wait(0.0)
    reader.close()


def test_check_says_how_the_queue_stands_and_asks_for_a_dead_letter_queue(desk: Desk) -> None:
    desk.send_text("hello")
    reader = desk.reader()
    assert "about 1 messages wait" in reader.check()

    desk.sqs.set_queue_attributes(QueueUrl=desk.queue, Attributes={"RedrivePolicy": ""})
    with pytest.raises(UnfitQueueError, match="redrive policy"):
        reader.check()


def test_queue_of_a_directory_is_refused() -> None:
    settings = Settings(events_queue_url="https://sqs.eu-west-1.amazonaws.com/1/arrivals")

    with pytest.raises(SettingsError, match="CARDOPS_RAW_URL"):
        open_queue(settings, None, FakeIntakeLedger(), FakeNotifier())
