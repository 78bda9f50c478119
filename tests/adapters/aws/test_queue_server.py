"""The queue that stands in for SQS in long tests does what moto's does."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.servers.queue_server import queue_server
from tests.servers.s3 import REGION, moto_server

MAX_RECEIVES = 2


@pytest.fixture(params=["moto", "stand-in"])
def queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client and the URL of a queue that gives a message up after two receives."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    if request.param == "stand-in":
        with queue_server(MAX_RECEIVES) as (_, url):
            yield boto3.client("sqs", region_name=REGION, endpoint_url=url), url
        return
    with moto_server() as server:
        client = boto3.client("sqs", region_name=REGION, endpoint_url=server)
        dead = client.create_queue(QueueName="dead")["QueueUrl"]
        named = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        redrive = {
            "deadLetterTargetArn": named["Attributes"]["QueueArn"],
            "maxReceiveCount": MAX_RECEIVES,
        }
        made = client.create_queue(
            QueueName="arrivals", Attributes={"RedrivePolicy": json.dumps(redrive)}
        )
        yield client, made["QueueUrl"]


def receive(client: Any, url: str, *, visibility: int = 1, wait: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=visibility,
        WaitTimeSeconds=wait,
    ).get("Messages", [])
    return found


def named(messages: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    return [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], **more}
        for number, message in enumerate(messages)
    ]


def test_message_is_hidden_extended_told_again_deleted_and_given_up(queue: Any) -> None:
    client, url = queue
    client.send_message_batch(
        QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": f"m{n}"} for n in range(3)]
    )

    first = receive(client, url)
    assert sorted(message["Body"] for message in first) == ["m0", "m1", "m2"]
    assert receive(client, url) == []
    client.delete_message_batch(QueueUrl=url, Entries=named(first[:1]))
    client.change_message_visibility_batch(
        QueueUrl=url, Entries=named(first[1:2], VisibilityTimeout=60)
    )
    (again,) = receive(client, url, wait=5)  # the one that was neither deleted nor extended
    assert again["Body"] == first[2]["Body"]
    assert again["MessageId"] == first[2]["MessageId"]
    time.sleep(1.2)

    assert receive(client, url) == []  # it was received as often as it may be
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert sum(map(int, left.values())) == 1  # the one that is extended
