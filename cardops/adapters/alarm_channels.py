"""Where operators read alarms: the log and alarms.jsonl, an SNS topic, and what apprise has a URL for.

Belongs here: sending one message, within seconds, without a secret in any log. When a message is sent
and sent again is in cardops.services.alarms.

The URLs hold passwords and tokens, so they are one secret, `alarm-channels`: each name -> its URL, or
-> {"url": URL, "when": "escalated"} for who is to hear of escalations alone.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from cardops.adapters.aws.clients import AwsClients, BotoClients
from cardops.ports import AlarmChannel, SecretStore
from cardops.rules.alarms.incidents import IncidentEvent, Severity
from cardops.rules.alarms.messages import (
    CHANNELS_SECRET,
    ESCALATED,
    FILE_CHANNEL,
    RESERVED,
    TOPIC_CHANNEL,
    AlarmMessage,
)
from cardops.rules.alarms.records import ChannelError
from cardops.settings import Settings

# SNS refuses longer subjects, and any with a line break.
MAX_SUBJECT_CHARACTERS: Final = 100
TIMEOUT_SECONDS: Final = 5.0
# Changed channels are known to running processes after so long.
READ_EVERY_SECONDS: Final = 60.0
# Parts of a URL that are shorter are words such as `json` or a port.
_SHORTEST_SECRET: Final = 4

_log = logging.getLogger("cardops.alarms")


class Publisher(Protocol):
    """What is needed of an SNS client."""

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:  # noqa: N803 - AWS's
        """Publish one message."""


@dataclass(frozen=True, slots=True)
class FileChannel:
    """One line a message in the log, and one JSON line in a file of their own."""

    path: Path
    name: str = FILE_CHANNEL
    is_for_escalations: bool = False

    def send(self, message: AlarmMessage) -> None:
        """Raises ChannelError where the file cannot be written; the log has it anyway."""
        text, *values = "%s: %s (%s)", message.subject, message.message, message.runbook
        if message.attempt_count == 0:
            level = logging.INFO if message.event is IncidentEvent.RESOLVED else logging.ERROR
            _log.log(level, text, *values[:2], values[2] or "no runbook")
        line = {
            "at": message.told_at.isoformat(),
            "subject": message.subject,
            "message": message.message,
            "runbook": message.runbook,
            "incident": message.incident,
            "incident_id": message.incident_id or None,
            "event": message.event,
            "severity": message.severity,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as alarms:
                alarms.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ChannelError(
                f"The alarm could not be written to {self.path}: {error.strerror}."
            ) from None


@dataclass(frozen=True, slots=True)
class TopicChannel:
    """Alarms as messages of an SNS topic."""

    topic_arn: str
    client: Publisher
    name: str = TOPIC_CHANNEL
    is_for_escalations: bool = False

    def send(self, message: AlarmMessage) -> None:
        """Raises ChannelError."""
        title = message.subject[:MAX_SUBJECT_CHARACTERS]
        try:
            self.client.publish(TopicArn=self.topic_arn, Subject=title, Message=message.body)
        except Exception as error:
            raise ChannelError(
                f"The SNS topic {self.topic_arn} did not take the alarm ({type(error).__name__}); "
                "check CARDOPS_NOTIFY_TOPIC_ARN, its permissions and the network."
            ) from error


@dataclass(frozen=True, slots=True)
class UrlChannel:
    """E-mail, webhook, chat or pager: whatever apprise has a URL for."""

    name: str
    url: str = field(repr=False)
    is_for_escalations: bool = False

    def send(self, message: AlarmMessage) -> None:
        """Raises ChannelError."""
        import apprise  # noqa: PLC0415 - costs a second, and most processes raise no alarm

        _keep_urls_out_of_logs()
        service = apprise.Apprise.instantiate(self.url)
        if service is None:
            raise ChannelError(
                f"The URL of the alarm channel {self.name} is not understood; write it as apprise "
                "has it, such as mailtos://… or jsons://…, with `cardops alarms set-channel`."
            )
        service.socket_connect_timeout = service.socket_read_timeout = TIMEOUT_SECONDS
        server = apprise.Apprise()
        server.add(service)
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call] # apprise's
            is_sent = server.notify(
                title=message.subject,
                body=message.body,
                notify_type=_type_of(message),
                body_format=apprise.NotifyFormat.TEXT,
            )
            reason = _without_secrets(" ".join(said.getvalue().split()), self.url)
        if not is_sent:
            raise ChannelError(
                f"The alarm channel {self.name} did not take the alarm: {reason or 'no reason given'}"
                " It is tried again; check its server and `cardops alarms channels --test`."
            )


class ConfiguredChannels:
    """Implements cardops.ports.AlarmChannels: what the settings and the secret name."""

    def __init__(
        self, settings: Settings, secrets: SecretStore, aws: AwsClients | None = None
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._aws = aws or BotoClients()
        self._client: Publisher | None = None
        self._read_at: float | None = None
        self._found: Sequence[AlarmChannel] = ()

    def all(self) -> Sequence[AlarmChannel]:
        """The log with alarms.jsonl first, then those that are configured."""
        now = time.monotonic()
        if self._read_at is None or now - self._read_at >= READ_EVERY_SECONDS:
            self._found, self._read_at = self._read(), now
        return self._found

    def _read(self) -> Sequence[AlarmChannel]:
        found: list[AlarmChannel] = [FileChannel(self._settings.home / "alarms.jsonl")]
        topic = self._settings.notify_topic_arn
        if topic is not None:
            # The topic's name contains its region: arn:aws:sns:REGION:ACCOUNT:NAME.
            self._client = self._client or self._aws.sns(topic.split(":")[3])
            found.append(TopicChannel(topic, self._client))
        return [*found, *self._with_urls()]

    def _with_urls(self) -> Sequence[AlarmChannel]:
        try:
            stored = self._secrets.get(CHANNELS_SECRET) or {}
        except Exception as error:  # noqa: BLE001 - an alarm goes where it can
            _log.warning("the alarm channels cannot be read: %s", error)
            return []
        return [channel for name, entry in sorted(stored.items())
                if (channel := channel_of(name, entry)) is not None]  # fmt: skip


def channel_of(name: str, entry: object) -> UrlChannel | None:
    """One channel of the secret; None, with a warning, where the entry has no URL."""
    values = entry if isinstance(entry, Mapping) else {"url": entry}
    url = values.get("url")
    if not isinstance(url, str) or name in RESERVED:
        _log.warning("the alarm channel %s is left out: it has no usable name and URL", name)
        return None
    return UrlChannel(name, url, values.get("when") == ESCALATED)


def _type_of(message: AlarmMessage) -> str:
    if message.event is IncidentEvent.RESOLVED:
        return "success"
    return "warning" if message.severity is Severity.WARNING else "failure"


def _keep_urls_out_of_logs() -> None:
    """Both log URLs with their tokens at the level DEBUG."""
    for name in ("apprise", "urllib3.connectionpool"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    # What it warns of is in the error, without secrets.
    logging.getLogger("apprise").propagate = False


def _without_secrets(text: str, url: str) -> str:
    """The text without user, password, tokens of the path and values of the query."""
    parts = urlsplit(url)
    secrets = {
        *(unquote(value) for value in (parts.username, parts.password) if value),
        *parts.path.split("/"),
        *(value for _, value in parse_qsl(parts.query)),
    }
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
