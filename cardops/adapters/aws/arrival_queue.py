"""Arrivals told by events of a bucket on an SQS queue.

A message is deleted once the ledger knows all of its objects, and not before: whoever reads it and dies
leaves it to the next reader. Until then it is kept from other readers by extending its visibility. A
message that cannot be read is left as it is: the queue's redrive policy moves it to the dead-letter queue.

Belongs here: the protocol of the queue. What a message says is in cardops.rules.intake.object_events.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from cardops.adapters.aws.queue_errors import (
    ArrivalQueueError,
    UnfitQueueError,
    unreadable_message,
)
from cardops.ports import Arrivals, ArrivalWatch, IntakeLedger, Notifier, ObjectListing
from cardops.rules.intake.arrivals import ArrivalPoll, is_arrival
from cardops.rules.intake.files import Kind
from cardops.rules.intake.object_events import (
    CreatedObject,
    UnreadableEventError,
    created_objects,
)
from cardops.rules.intake.objects import ObjectStat, ObjectStoreError

# A batch of SQS has at most so many messages.
BATCH: Final = 10
# A reader that dies gives its messages back after so long; one that lives extends them.
VISIBILITY_SECONDS: Final = 60
EXTENSIONS_A_VISIBILITY: Final = 3
# More messages than this are not read while their objects are not claimed: the queue holds the rest.
MAX_HELD: Final = 1_000
# So long a wait of the queue is not ended by a stop of this process.
LONG_POLL_SECONDS: Final = 5.0
# Objects handed out in one poll; the worker ingests them in one run.
MAX_FILES_A_POLL: Final = 500
# Batches that one wait reads before it tells what it has: many files make few runs.
MAX_ROUNDS: Final = 50
# So many batches are read or deleted at a time: the queue answers each after some milliseconds.
BATCHES_AT_A_TIME: Final = 5
# An object that could not be claimed is handed out again after so long, and so often; then its message
# goes back to the queue.
RETRY_SECONDS: Final = 30.0
MAX_TRIES: Final = 6
ALARMED_MESSAGES: Final = 1_000
RUNBOOK: Final = "docs/runbooks/arrivals.md"

_log = logging.getLogger(__name__)


@dataclass
class HeldMessage:
    """A message that is read and not deleted yet. `pending`: its objects that are not claimed."""

    message_id: str
    receipt: str
    pending: set[str]
    extended_at: float


@dataclass
class HeldObject:
    """An object that messages tell of."""

    stat: ObjectStat
    message_ids: set[str] = field(default_factory=set)
    tries: int = 0
    next_at: float = 0.0


class QueuedArrivals(Arrivals, ArrivalWatch):
    """Events of one bucket. One thread waits; others poll and acknowledge, each for its kinds.

    `client`: a boto3 client of SQS. `notifier` is told of each message that cannot be read.
    """

    def __init__(  # noqa: PLR0913 - one parameter a port
        self,
        queue_url: str,
        client: Any,
        listing: ObjectListing,
        ledger: IntakeLedger,
        notifier: Notifier,
        *,
        kinds: Collection[Kind],
        visibility_seconds: int = VISIBILITY_SECONDS,
    ) -> None:
        self._kinds = kinds
        self._url = queue_url
        self._client = client
        self._listing = listing
        self._ledger = ledger
        self._notifier = notifier
        self._visibility = visibility_seconds
        parts = urlsplit(listing.url)
        self._bucket = parts.netloc
        self._root = f"{parts.path.strip('/')}/".lstrip("/")
        self._messages: dict[str, HeldMessage] = {}
        self._objects: dict[str, HeldObject] = {}
        self._alarmed: set[str] = set()
        self._lock = threading.Condition()
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(BATCHES_AT_A_TIME, thread_name_prefix="queue")
        self._extender = threading.Thread(target=self._extend, name="visibility", daemon=True)

    @override
    def wait(self, seconds: float) -> Collection[str] | None:
        if not self._extender.is_alive() and not self._closed.is_set():
            self._extender.start()
        patience = min(seconds, LONG_POLL_SECONDS)
        told: set[str] = set()
        if self._has_room(patience):
            messages = self._receive(int(patience))
            told.update(*map(self._taken, messages))
            if len(messages) == BATCH:
                self._tell_more(told)
        return told | self._due_again()

    def _tell_more(self, told: set[str]) -> None:
        """Add what else is in the queue, up to a limit, without waiting for more to come."""
        rounds_left = MAX_ROUNDS
        while batches := min(self._room(), BATCHES_AT_A_TIME, rounds_left):
            rounds_left -= batches
            reading = [self._pool.submit(self._receive, 0) for _ in range(batches)]
            found = [message for batch in reading for message in _read_or_none(batch)]
            told.update(*map(self._taken, found))
            if not found:
                return

    @override
    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._lock.notify_all()

    @override
    def poll(
        self,
        kind: Kind,
        seen_before: Mapping[str, str],
        keys: Collection[str] | None = None,
        *,
        position: str = "",
    ) -> ArrivalPoll:
        with self._lock:
            ready = sorted(
                (held for held in self._objects.values() if self._is_ready(held, kind)),
                key=lambda held: (held.stat.modified_at, held.stat.key),
            )
            taken = ready[:MAX_FILES_A_POLL]
            for held in taken:
                held.tries += 1
                held.next_at = time.monotonic() + RETRY_SECONDS * held.tries
        stats = self._unknown(taken)
        return ArrivalPoll(tuple(stats), {}, has_more=len(ready) > len(taken))

    @override
    def acknowledge(self, poll: ArrivalPoll) -> None:
        self._done(poll.ready)

    def check(self) -> str:
        """How the queue stands, in a sentence. Raises ArrivalQueueError."""
        with self._errors():
            found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])[
                "Attributes"
            ]
        waiting = found.get("ApproximateNumberOfMessages", "?")
        if "RedrivePolicy" not in found:
            raise UnfitQueueError(self._url)
        return f"{self._url} can be read; about {waiting} messages wait."

    def _is_ready(self, held: HeldObject, kind: Kind) -> bool:
        return is_arrival(held.stat.key, kind) and held.next_at <= time.monotonic()

    def _unknown(self, held: Sequence[HeldObject]) -> list[ObjectStat]:
        """Those that the ledger does not know; events of the others were told before."""
        told = [item.stat for item in held]
        known = self._ledger.known_versions(self._listing.url, [stat.key for stat in told])
        self._done([stat for stat in told if (stat.key, stat.version) in known])
        return [stat for stat in told if (stat.key, stat.version) not in known]

    def _as_stored(self, stat: ObjectStat) -> ObjectStat:
        """With the version by which it is listed: some stores tell no ETag."""
        found = None if stat.version else self._listing.find(stat.key)
        return replace(stat, version=found.version) if found else stat

    def _has_room(self, seconds: float) -> bool:
        """Whether another batch may be read, after waiting so long for claims."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed.is_set() or self._room(), max(0.0, seconds))
            return bool(self._room())

    def _room(self) -> int:
        """How many more batches may be read; none once closed."""
        return 0 if self._closed.is_set() else max(0, MAX_HELD - len(self._messages)) // BATCH

    def _receive(self, seconds: int) -> Sequence[Mapping[str, Any]]:
        with self._errors():
            response = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=seconds,
                VisibilityTimeout=self._visibility,
            )
        return tuple(response.get("Messages", ()))

    def _taken(self, message: Mapping[str, Any]) -> set[str]:
        """Keys of ours in the message. Where an object cannot be looked at it is left, and comes again."""
        try:
            return self._held(message)
        except ObjectStoreError as error:
            _log.warning("%s The message about it comes again.", error)
            return set()

    def _held(self, message: Mapping[str, Any]) -> set[str]:
        """Keep the message and its objects of ours; their keys. Without any it is deleted."""
        message_id = message["MessageId"]
        try:
            created = created_objects(message["Body"])
        except UnreadableEventError as error:
            self._tell_of_unreadable(message_id, str(error))
            # Its other records are taken all the same. It is not kept, and so never deleted.
            told = self._stats(error.readable)
            with self._lock:
                self._keep(told, message_id)
            return set(told)
        stats = self._stats(created)
        with self._lock:
            held = HeldMessage(message_id, message["ReceiptHandle"], set(stats), time.monotonic())
            self._messages[message_id] = held
            self._keep(stats, message_id)
        if not stats:
            self._delete([held])
        return set(stats)

    def _stats(self, created: Sequence[CreatedObject]) -> dict[str, ObjectStat]:
        """Input files of ours among them, by key; what else is below `incoming/` the listing tells."""
        return {
            stat.key: self._as_stored(stat)
            for stat in map(self._ours, created)
            if stat and any(is_arrival(stat.key, kind) for kind in self._kinds)
        }

    def _keep(self, stats: Mapping[str, ObjectStat], message_id: str) -> None:
        for key, stat in stats.items():
            known = self._objects.setdefault(key, HeldObject(stat))
            known.message_ids.add(message_id)
            if stat.modified_at > known.stat.modified_at:
                known.stat = stat  # told out of order, or overwritten since

    def _ours(self, created: CreatedObject) -> ObjectStat | None:
        if created.bucket != self._bucket or not created.key.startswith(self._root):
            _log.warning(
                "An event of s3://%s/%s is not about %s and was passed over; narrow the events of "
                "the bucket to that prefix.",
                *(created.bucket, created.key, self._listing.url),
            )
            return None
        key = created.key.removeprefix(self._root)
        return ObjectStat(key, created.size_bytes, created.etag, created.at)

    def _tell_of_unreadable(self, message_id: str, why: str) -> None:
        """Once a message: it comes again until the queue's redrive policy takes it away."""
        if message_id in self._alarmed:
            return
        if len(self._alarmed) >= ALARMED_MESSAGES:
            self._alarmed.clear()
        self._alarmed.add(message_id)
        sentence = unreadable_message(message_id, self._url, why)
        _log.error("%s", sentence)
        self._notifier.notify(
            "A message about arrivals cannot be read",
            sentence,
            runbook=RUNBOOK,
            incident=f"arrivals:message:{message_id}",
        )

    def _due_again(self) -> set[str]:
        """Objects whose claim failed some time ago; after many tries their messages go back."""
        with self._lock:
            now = time.monotonic()
            due = {key for key, held in self._objects.items() if held.tries and held.next_at <= now}
            given_up = {key for key in due if self._objects[key].tries >= MAX_TRIES}
            for key in given_up:
                for message_id in self._objects.pop(key).message_ids:
                    self._messages.pop(message_id, None)
            return due - given_up

    def _done(self, stats: Sequence[ObjectStat]) -> None:
        """These versions are claimed, known or gone; messages without any other object are deleted."""
        finished: list[HeldMessage] = []
        with self._lock:
            for stat in stats:
                held = self._objects.get(stat.key)
                if held is None:
                    continue
                if held.stat.version != stat.version:
                    # Overwritten since: its event came while this one was claimed.
                    held.next_at = 0.0
                    continue
                del self._objects[stat.key]
                finished += self._without(stat.key, held.message_ids)
        self._delete(finished)

    def _without(self, key: str, message_ids: Collection[str]) -> Iterator[HeldMessage]:
        """Those of the messages that tell of no object but this one."""
        for message_id in message_ids:
            message = self._messages.get(message_id)
            if message is not None:
                message.pending.discard(key)
                if not message.pending:
                    yield message

    def _delete(self, messages: Sequence[HeldMessage]) -> None:
        """Delete messages; one that cannot be deleted comes again, and its objects are known then."""
        batches = list(_batches(messages))
        if len(batches) == 1 or self._closed.is_set():
            for batch in batches:
                self._delete_batch(batch)
        else:
            list(self._pool.map(self._delete_batch, batches))
        with self._lock:
            for message in messages:
                self._messages.pop(message.message_id, None)
            self._lock.notify_all()

    def _delete_batch(self, messages: Sequence[HeldMessage]) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt}
            for number, message in enumerate(messages)
        ]
        try:
            with self._errors():
                response = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except ArrivalQueueError as error:
            _log.warning("%s", error)
            return
        for failure in response.get("Failed", ()):
            _log.warning("A message was not deleted: %s", failure.get("Message", failure))

    def _extend(self) -> None:
        """Keep held messages from other readers, until they are deleted or given up."""
        pause = self._visibility / EXTENSIONS_A_VISIBILITY
        while not self._closed.wait(pause / 2):
            with self._lock:
                before = time.monotonic() - pause
                old = [held for held in self._messages.values() if held.extended_at <= before]
            for batch in _batches(old):
                self._extend_batch(batch)

    def _extend_batch(self, batch: Sequence[HeldMessage]) -> None:
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": message.receipt,
                "VisibilityTimeout": self._visibility,
            }
            for number, message in enumerate(batch)
        ]
        try:
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            # Another reader may get them too: what they tell counts once.
            _log.warning("Messages were not kept from other readers: %s", error)
            return
        for message in batch:
            message.extended_at = time.monotonic()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise ArrivalQueueError(self._url, error) from None


def _read_or_none(
    reading: Future[Sequence[Mapping[str, Any]]],
) -> Sequence[Mapping[str, Any]]:
    try:
        return reading.result()
    except ArrivalQueueError:
        return ()  # the next wait says it; what was read is told first


def _batches(messages: Sequence[HeldMessage]) -> Iterator[Sequence[HeldMessage]]:
    for start in range(0, len(messages), BATCH):
        yield messages[start : start + BATCH]
