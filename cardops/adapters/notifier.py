"""Alarms for operators: in the log and in alarms.jsonl under the home, and on SNS where it is set."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from typing_extensions import override

from cardops.adapters.aws.clients import AwsClients, BotoClients
from cardops.ports import Clock, Notifier
from cardops.settings import Settings

# SNS refuses longer subjects, and any with a line break.
MAX_SUBJECT_CHARACTERS: Final = 100

_log = logging.getLogger("cardops.alarms")


def open_notifier(settings: Settings, clock: Clock, aws: AwsClients | None = None) -> Notifier:
    """The log and alarms.jsonl; also SNS where CARDOPS_NOTIFY_TOPIC_ARN is set."""
    log: Notifier = FileNotifier(settings.home / "alarms.jsonl", clock)
    topic = settings.notify_topic_arn
    if topic is None:
        return log
    # The topic's name contains its region: arn:aws:sns:REGION:ACCOUNT:NAME.
    client = (aws or BotoClients()).sns(topic.split(":")[3])
    return EachNotifier([log, SnsNotifier(topic, client)])


class Publisher(Protocol):
    """What is needed of an SNS client."""

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:  # noqa: N803 - AWS's
        """Publish one message."""


class FileNotifier(Notifier):
    """One line an alarm in the log, and one JSON line in a file of their own."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    @override
    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        alarm = {
            "at": self._clock.now().isoformat(),
            "subject": subject,
            "message": message,
            "runbook": runbook,
        }
        _log.error("%s: %s (%s)", subject, message, runbook or "no runbook")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as alarms:
                alarms.write(json.dumps(alarm, ensure_ascii=False) + "\n")
        except OSError as error:
            _log.error("the alarm could not be written to %s: %s", self._path, error.strerror)


class SnsNotifier(Notifier):
    """Alarms as messages of an SNS topic."""

    def __init__(self, topic_arn: str, client: Publisher) -> None:
        self._topic_arn = topic_arn
        self._client = client

    @override
    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        body = f"{message}\n\nRunbook: {runbook}" if runbook else message
        title = " ".join(subject.split())[:MAX_SUBJECT_CHARACTERS]
        try:
            self._client.publish(TopicArn=self._topic_arn, Subject=title, Message=body)
        except Exception:  # noqa: BLE001 - a failed alarm never stops the work it reports
            _log.exception("the alarm %r could not be published to %s", title, self._topic_arn)


class EachNotifier(Notifier):
    """Passes each alarm to several notifiers."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = notifiers

    @override
    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        for notifier in self._notifiers:
            notifier.notify(subject, message, runbook=runbook)
