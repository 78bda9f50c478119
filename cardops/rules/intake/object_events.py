"""Events of a bucket as messages: S3's own, EventBridge's, and either inside an SNS notification.

Belongs here: what the body of a message says. Where it was read and what becomes of it is decided
elsewhere. Shapes: AWS, "Event message structure" (S3) and "Amazon S3 events" (EventBridge).
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from cardops.rules.audit import cut

# An SNS notification may be forwarded to another topic, and so wrapped again.
MAX_WRAPPINGS: Final = 3
# More than S3 stores in one object: 2 to the 53rd, the largest whole number that JSON has for sure.
MAX_SIZE_BYTES: Final = 2**53
# Characters of a value in a sentence.
MAX_SHOWN: Final = 200
# Printable ASCII without space; S3's own have 32 hexadecimal digits, and a number of parts.
_ETAG: Final = re.compile(r"[!-~]{0,200}")


class UnreadableEventError(ValueError):
    """The body is no event of a bucket, or one of its records is not; the message says why.

    `readable`: what its other records say.
    """

    def __init__(self, why: str, readable: tuple["CreatedObject", ...] = ()) -> None:
        super().__init__(why)
        self.readable = readable


@dataclass(frozen=True, slots=True)
class CreatedObject:
    """An object that was put, copied or completed. `etag` is empty where the event names none."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    at: datetime


def created_objects(body: str) -> tuple[CreatedObject, ...]:
    """Objects that the message says were created; none for a test event or a deletion.

    Raises UnreadableEventError.
    """
    message = _object(body)
    for _ in range(MAX_WRAPPINGS):
        if message.get("Type") != "Notification":
            break
        message = _object(message.get("Message"))
    if message.get("Event") == "s3:TestEvent":
        return ()
    if "Records" in message:
        return _of_records(message["Records"])
    if message.get("source") == "aws.s3" and "detail-type" in message:
        with _said_plainly():
            return tuple(_of_event_bridge(message))
    if message.get("Type") == "SubscriptionConfirmation":
        raise UnreadableEventError(
            "it asks to confirm a subscription of an SNS topic; confirm it in the console of AWS"
        )
    raise UnreadableEventError("it has neither Records of S3 nor the shape of an EventBridge event")


def _object(body: object) -> Mapping[str, Any]:
    try:
        found = json.loads(body) if isinstance(body, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnreadableEventError("it is not a JSON object")
    return found


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Whatever is not as in an event of S3, as an UnreadableEventError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, UnreadableEventError):
            raise
        raise UnreadableEventError(
            f"it lacks what an event of S3 has ({cut(repr(error), MAX_SHOWN)})"
        ) from None


def _of_records(records: object) -> tuple[CreatedObject, ...]:
    """What all records say. Raises UnreadableEventError with those of the others, where one is none."""
    if not isinstance(records, list):
        raise UnreadableEventError("it lacks what an event of S3 has (its Records are no list)")
    found: list[CreatedObject] = []
    problems: list[str] = []
    for record in records:
        try:
            with _said_plainly():
                found += _of_record(record)
        except UnreadableEventError as error:
            problems.append(str(error))
    if problems:
        of_these = f" (so are {len(problems)} of its {len(records)} records)" if found else ""
        raise UnreadableEventError(f"{problems[0]}{of_these}", tuple(found))
    return tuple(found)


def _of_record(record: Mapping[str, Any]) -> Iterator[CreatedObject]:
    """S3's own notification, whose key is encoded as in a form."""
    name = str(record["eventName"])
    if record.get("eventSource") not in {"aws:s3", "minio:s3"}:
        source = cut(repr(record.get("eventSource")), MAX_SHOWN)
        raise UnreadableEventError(f"its source {source} is not S3")
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return
    stored = record["s3"]["object"]
    yield CreatedObject(
        bucket=_text(record["s3"]["bucket"]["name"]),
        key=unquote_plus(_text(stored["key"])),
        etag=_etag(stored.get("eTag")),
        size_bytes=_size(stored.get("size")),
        at=_instant(record["eventTime"]),
    )


def _of_event_bridge(event: Mapping[str, Any]) -> Iterator[CreatedObject]:
    """Events of EventBridge, whose keys are not encoded."""
    if event["detail-type"] != "Object Created":
        return
    detail = event["detail"]
    yield CreatedObject(
        bucket=_text(detail["bucket"]["name"]),
        key=_text(detail["object"]["key"]),
        etag=_etag(detail["object"].get("etag")),
        size_bytes=_size(detail["object"].get("size")),
        at=_instant(event["time"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
    return value


def _etag(value: object) -> str:
    etag = str(value or "").strip('"')
    if not _ETAG.fullmatch(etag):
        raise ValueError(f"{etag!r} is no eTag")
    return etag


def _size(value: Any) -> int:
    size_bytes = int(value or 0)
    if not 0 <= size_bytes <= MAX_SIZE_BYTES:
        raise ValueError(f"an object has no {size_bytes} bytes")
    return size_bytes


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
