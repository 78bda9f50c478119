"""Events of a bucket as messages: S3's own, EventBridge's, and either inside an SNS notification.

Belongs here: what the body of a message says. Where it was read and what becomes of it is decided
elsewhere. Shapes: AWS, "Event message structure" (S3) and "Amazon S3 events" (EventBridge).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_plus

# An SNS notification may be forwarded to another topic, and so wrapped again.
MAX_WRAPPINGS: Final = 3


class UnreadableEventError(ValueError):
    """The body is no event of a bucket; the message says why."""


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
    try:
        if "Records" in message:
            return tuple(_of_records(message["Records"]))
        if message.get("source") == "aws.s3" and "detail-type" in message:
            return tuple(_of_event_bridge(message))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableEventError(f"it lacks what an event of S3 has ({error!r})") from None
    if message.get("Type") == "SubscriptionConfirmation":
        raise UnreadableEventError(
            "it asks to confirm a subscription of an SNS topic; confirm it in the console of AWS"
        )
    raise UnreadableEventError("it has neither Records of S3 nor the shape of an EventBridge event")


def _object(body: object) -> Mapping[str, Any]:
    try:
        found = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnreadableEventError("it is not a JSON object")
    return found


def _of_records(records: list[Mapping[str, Any]]) -> Iterator[CreatedObject]:
    """S3's own notifications, whose keys are encoded as in a form."""
    for record in records:
        name = str(record["eventName"])
        if record.get("eventSource") not in {"aws:s3", "minio:s3"}:
            raise UnreadableEventError(f"its source {record.get('eventSource')!r} is not S3")
        if not name.removeprefix("s3:").startswith("ObjectCreated:"):
            continue
        stored = record["s3"]["object"]
        yield CreatedObject(
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(stored["key"]),
            etag=str(stored.get("eTag") or "").strip('"'),
            size_bytes=int(stored.get("size") or 0),
            at=_instant(record["eventTime"]),
        )


def _of_event_bridge(event: Mapping[str, Any]) -> Iterator[CreatedObject]:
    """Events of EventBridge, whose keys are not encoded."""
    if event["detail-type"] != "Object Created":
        return
    detail = event["detail"]
    yield CreatedObject(
        bucket=detail["bucket"]["name"],
        key=detail["object"]["key"],
        etag=str(detail["object"].get("etag") or "").strip('"'),
        size_bytes=int(detail["object"].get("size") or 0),
        at=_instant(event["time"]),
    )


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
