"""AWS clients of `dagster_aws` and of boto3 do the same for every adapter that uses one."""

from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from cardops.adapters.alarm_channels import ConfiguredChannels
from cardops.adapters.aws.clients import AwsClients, BotoClients
from cardops.adapters.aws.s3_listing import S3Listing
from cardops.adapters.object_stores.opening import open_listing, open_store
from cardops.adapters.secrets import AwsSecretStore
from cardops.rules.alarms.incidents import IncidentEvent, Severity
from cardops.rules.alarms.messages import TOPIC_CHANNEL, AlarmMessage
from cardops.rules.intake.objects import ObjectStoreError
from cardops.settings import Settings
from resources.aws import DagsterAwsClients
from tests.fakes.clock import FakeClock
from tests.fakes.secrets import FakeSecretStore
from tests.servers.s3 import bucket, moto_server

pytestmark = pytest.mark.dagster
REGION = "eu-west-1"


@pytest.fixture(params=[BotoClients, DagsterAwsClients])
def clients(request: pytest.FixtureRequest) -> AwsClients:
    made: AwsClients = request.param()
    return made


def test_bucket_listing_agrees_with_the_object_store(clients: AwsClients) -> None:
    with moto_server() as server, bucket(server) as url:
        store = open_store(f"{url}/some/prefix")
        for key in ("incoming/deposits/b.csv", "incoming/deposits/a b,=#1%20ü.csv", "other/c"):
            store.create(key, b"one\n")
        listing = open_listing(f"{url}/some/prefix", clients)

        found, expected = listing.list_objects("incoming/"), store.list_objects("incoming/")

        assert listing.url == store.url
        assert [(item.key, item.size_bytes, item.version) for item in found] == [
            (item.key, item.size_bytes, item.version) for item in expected
        ]
        for item, stored in zip(found, expected, strict=True):
            assert abs(item.modified_at - stored.modified_at) < timedelta(seconds=1)
        assert [item.key for item in listing.list_objects("incoming/deposits/b")] == [
            "incoming/deposits/b.csv"
        ]


@mock_aws
def test_folder_markers_are_not_listed(clients: AwsClients) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="files")
    for key in ("raw/incoming/deposits/", "raw/incoming/deposits/acme/", "raw/incoming/deposits/a"):
        s3.put_object(Bucket="files", Key=key, Body=b"")

    found = S3Listing("s3://files/raw", clients.s3("us-east-1")).list_objects("incoming/deposits/")

    assert [item.key for item in found] == ["incoming/deposits/a"]


@mock_aws
def test_bucket_that_cannot_be_listed_is_named(
    clients: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)

    with pytest.raises(ObjectStoreError, match=r"s3://missing/raw/incoming/ cannot be listed"):
        S3Listing("s3://missing/raw", clients.s3(REGION)).list_objects("incoming/")


@mock_aws
def test_secrets_are_stored_and_read_in_the_region_of_the_environment(
    clients: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)

    AwsSecretStore("cardops", clients).put("destinations/visa", {"host": "h"})

    stored = boto3.client("secretsmanager", region_name=REGION)
    assert stored.get_secret_value(SecretId="cardops/destinations/visa")["SecretString"] == (
        '{"host": "h"}'
    )


def test_secrets_and_alarms_go_to_the_endpoint_that_is_set(
    clients: AwsClients, tmp_path: Path
) -> None:
    with moto_server() as server, bucket(server):  # sets AWS_ENDPOINT_URL
        AwsSecretStore("cardops", clients).put("destinations/visa", {"host": "h"})
        assert AwsSecretStore("cardops", clients).get("destinations/visa") == {"host": "h"}
        direct = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=server)
        assert direct.get_secret_value(SecretId="cardops/destinations/visa")["SecretString"]
        topic = boto3.client("sns", region_name="us-east-1", endpoint_url=server).create_topic(
            Name="alarms"
        )["TopicArn"]

        answer = clients.sns("us-east-1").publish(TopicArn=topic, Message="an alarm")

        assert answer["MessageId"]


@mock_aws
def test_alarm_is_published_in_the_region_of_its_topic(clients: AwsClients, tmp_path: Path) -> None:
    topic = boto3.client("sns", region_name=REGION).create_topic(Name="alarms")["TopicArn"]
    queue = boto3.client("sqs", region_name=REGION).create_queue(QueueName="alarms")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{REGION}:123456789012:alarms"
    boto3.client("sns", region_name=REGION).subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn
    )

    settings = Settings(home=tmp_path, notify_topic_arn=topic)
    message = AlarmMessage(
        message_id=1,
        incident_id=1,
        incident="delivery:visa",
        channel=TOPIC_CHANNEL,
        event=IncidentEvent.OPENED,
        severity=Severity.ERROR,
        subject="A subject",
        message="b",
        runbook=None,
        told_at=FakeClock().now(),
    )
    for channel in ConfiguredChannels(settings, FakeSecretStore(), clients).all():
        channel.send(message)

    received = boto3.client("sqs", region_name=REGION).receive_message(QueueUrl=queue)
    assert "A subject" in received["Messages"][0]["Body"]
