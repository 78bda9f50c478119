"""Alarms reach the file and the topic, and never stop the work they report."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from cardops.adapters.notifier import EachNotifier, FileNotifier, SnsNotifier, open_notifier
from cardops.ports import Notifier
from cardops.settings import Settings
from tests.fakes.clock import FakeClock


def test_alarm_is_one_line_of_json(tmp_path: Path) -> None:
    notifier = FileNotifier(tmp_path / "deep" / "alarms.jsonl", FakeClock())

    notifier.notify("A", "b\nc", runbook="docs/runbooks/x.md")
    notifier.notify("D", "e")

    first, second = (tmp_path / "deep" / "alarms.jsonl").read_text().splitlines()
    assert json.loads(first) == {
        "at": "2026-11-20T12:00:00+00:00",
        "subject": "A",
        "message": "b\nc",
        "runbook": "docs/runbooks/x.md",
    }
    assert json.loads(second)["runbook"] is None


def test_unwritable_alarm_raises_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")

    FileNotifier(tmp_path / "file" / "alarms.jsonl", FakeClock()).notify("A", "b")

    logged, failure = caplog.messages
    assert logged == "A: b (no runbook)"
    assert failure.startswith("the alarm could not be written to ")


class Broken:
    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:  # noqa: N803 - AWS's
        raise ConnectionError("no route")


def test_broken_topic_does_not_stop_other_notifiers(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    notifier: Notifier = EachNotifier(
        [SnsNotifier("arn:aws:sns:eu-west-1:1:x", Broken()), FileNotifier(path, FakeClock())]
    )

    notifier.notify("A", "b")

    assert json.loads(path.read_text())["subject"] == "A"


def test_alarm_reaches_the_configured_topic(
    s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    sns = boto3.client("sns", region_name="eu-west-1")
    sqs = boto3.client("sqs", region_name="eu-west-1")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])

    settings = Settings(home=tmp_path, notify_topic_arn=topic)
    open_notifier(settings, FakeClock()).notify("Two\nlines " + "x" * 200, "b", runbook="r.md")

    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    received = json.loads(message["Body"])
    assert received["Subject"].startswith("Two lines x")
    assert len(received["Subject"]) == 100
    assert received["Message"] == "b\n\nRunbook: r.md"
