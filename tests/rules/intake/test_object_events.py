"""What messages about a bucket say, in every shape in which they come."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cardops.rules.intake.object_events import UnreadableEventError, created_objects

AT = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)


def s3_event(key: str, name: str = "ObjectCreated:Put", **stored: Any) -> dict[str, Any]:
    """A record of S3's own notification."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-11-30T07:00:00.000Z",
        "eventName": name,
        "s3": {
            "bucket": {"name": "cards"},
            "object": {"key": key, "size": 12, "eTag": "e1", "sequencer": "1", **stored},
        },
    }


def bridge_event(key: str, detail_type: str = "Object Created") -> dict[str, Any]:
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": detail_type,
        "time": "2026-11-30T07:00:00Z",
        "detail": {
            "bucket": {"name": "cards"},
            "object": {"key": key, "size": 12, "etag": "e1", "version-id": "v1"},
        },
    }


def in_sns(message: object) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(message)}


def keys(message: object) -> list[str]:
    return [created.key for created in created_objects(json.dumps(message))]


def test_every_shape_says_the_same() -> None:
    records = {"Records": [s3_event("incoming/deposits/a.csv")]}
    bridge = bridge_event("incoming/deposits/a.csv")

    found = [
        created_objects(json.dumps(message))
        for message in (records, bridge, in_sns(records), in_sns(bridge), in_sns(in_sns(records)))
    ]

    assert all(len(created) == 1 for created in found)
    assert {created[0] for created in found} == {found[0][0]}
    (created,) = found[0]
    assert (created.bucket, created.key, created.etag) == ("cards", "incoming/deposits/a.csv", "e1")
    assert (created.size_bytes, created.at) == (12, AT)


def test_keys_are_decoded_only_where_they_are_encoded() -> None:
    assert keys({"Records": [s3_event("incoming/deposits/a+b%2B%C3%BC%3D1.csv")]}) == [
        "incoming/deposits/a b+ü=1.csv"
    ]
    assert keys(bridge_event("incoming/deposits/a+b%2B.csv")) == ["incoming/deposits/a+b%2B.csv"]


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_way_to_create_an_object_counts(name: str) -> None:
    assert keys({"Records": [s3_event("a", f"ObjectCreated:{name}")]}) == ["a"]
    assert keys({"Records": [s3_event("a", f"s3:ObjectCreated:{name}")]}) == ["a"]


def test_one_message_may_tell_of_several_objects() -> None:
    records = [s3_event("a"), s3_event("b", "ObjectRemoved:Delete"), s3_event("c")]

    assert keys({"Records": records}) == ["a", "c"]


@pytest.mark.parametrize(
    "message",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "cards"},
        in_sns({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "cards"}),
        {"Records": []},
        {"Records": [s3_event("a", "ObjectRemoved:DeleteMarkerCreated")]},
        {"Records": [s3_event("a", "LifecycleExpiration:Delete")]},
        bridge_event("a", "Object Deleted"),
        bridge_event("a", "Object Tags Added"),
    ],
)
def test_messages_that_tell_of_no_new_object_are_understood(message: object) -> None:
    assert keys(message) == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not a JSON object"),
        ("not JSON", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{}", "neither Records"),
        ('{"Records": 5}', "lacks"),
        ('{"Records": [{"eventSource": "aws:sqs", "eventName": "x"}]}', "not S3"),
        ('{"Records": [{"eventSource": "aws:s3"}]}', "eventName"),
        (json.dumps({"Records": [s3_event("a", size="many")]}), "lacks"),
        ('{"source": "aws.s3", "detail-type": "Object Created", "time": "x"}', "detail"),
        ('{"source": "aws.ec2", "detail-type": "EC2"}', "neither Records"),
        ('{"Type": "Notification", "Message": "hello"}', "not a JSON object"),
        ('{"Type": "SubscriptionConfirmation", "Message": "x"}', "confirm"),
    ],
)
def test_unreadable_message_says_why(body: str, why: str) -> None:
    with pytest.raises(UnreadableEventError, match=why):
        created_objects(body)


def test_broken_record_hides_no_other() -> None:
    good = [s3_event(f"incoming/deposits/{number}.csv") for number in range(9)]
    broken = s3_event("incoming/deposits/broken.csv", size="many")

    with pytest.raises(UnreadableEventError, match="1 of its 10 records") as found:
        created_objects(json.dumps({"Records": [*good[:4], broken, *good[4:]]}))

    keys_read = [created.key for created in found.value.readable]
    assert keys_read == [f"incoming/deposits/{number}.csv" for number in range(9)]


@pytest.mark.parametrize(
    "message",
    [
        {"Records": [s3_event("a") | {"s3": {"bucket": {"name": 5}, "object": {"key": "a"}}}]},
        {"Records": [s3_event("a", size=1e400)]},
        {"Records": [s3_event("a", size=2**70)]},
        {"Records": [s3_event("a", size=-1)]},
        {"Records": [s3_event("a", eTag="a\0b")]},
        {"Records": [s3_event("a", eTag="e" * 12_000)]},
        {"Records": [s3_event("a") | {"eventSource": "x" * 200_000}]},
        {"Records": ["text", 5, None]},
        {"Records": {"a": "b"}},
        bridge_event("a") | {"detail": {"bucket": {"name": "cards"}, "object": {"key": 5}}},
        bridge_event("a") | {"detail": {"bucket": {"name": None}, "object": {"key": "a"}}},
    ],
)
def test_values_of_another_type_are_unreadable_and_nothing_worse(message: object) -> None:
    with pytest.raises(UnreadableEventError) as error:
        created_objects(json.dumps(message))

    assert len(str(error.value)) < 300


def test_body_nested_without_end_is_unreadable_and_nothing_worse() -> None:
    with pytest.raises(UnreadableEventError):
        created_objects("[" * 100_000)
