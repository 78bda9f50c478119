"""Alarms as incidents in the database, told on every channel; without the database, told all the same.

Belongs here: the order, which loses no alarm: recorded together with its messages, sent, confirmed.
What is to be told when is in cardops.rules.alarms.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from cardops.ports import AlarmChannel, AlarmChannels, Clock, Incidents, Notifier
from cardops.rules.alarms.incidents import (
    QUIET,
    IncidentEvent,
    Notice,
    Severity,
    key_of,
    notice_of,
)
from cardops.rules.alarms.messages import FILE_CHANNEL, AlarmMessage
from cardops.rules.alarms.records import ChannelError

MAX_MESSAGES_A_TURN: Final = 100
# A storm while the database is down: no more incidents than this are remembered as told.
MAX_REMEMBERED: Final = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlarmTurn:
    """What one turn did: messages that were sent, and those that failed."""

    sent: int
    failed: int


@dataclass(slots=True)
class IncidentNotifier(Notifier):
    """Records incidents and sends what is due of them. `ledger` opens the database when it is needed."""

    ledger: Callable[[], Incidents]
    channels: AlarmChannels
    clock: Clock
    # Incidents told while the database was down, with the time of it: each once in a while.
    _told: dict[str, float] = field(default_factory=dict)

    @override
    def notify(
        self,
        subject: str,
        message: str,
        *,
        runbook: str | None = None,
        incident: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        notice = notice_of(subject, message, runbook=runbook, incident=incident, severity=severity)
        try:
            ledger = self.ledger()
            messages = ledger.report(notice, self.channels.all())
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being recorded, it is told
            self._tell_unrecorded(notice, error)  # guard: unrecorded-alarm-told
        else:
            self._send_new(ledger, messages)

    @override
    def resolve(self, incident: str, why: str) -> None:
        self.resolve_by(incident, why, None)

    def resolve_by(self, incident: str, why: str, by: str | None) -> None:
        """The same, on a person's word."""
        key = key_of(incident)
        self._told.pop(key, None)
        try:
            ledger = self.ledger()
            messages = ledger.resolve(key, why, self.channels.all(), by=by)
        except Exception as error:  # noqa: BLE001 - it stays open, which harms nobody
            _log.warning("the end of the incident %s was not recorded: %s", incident, error)
        else:
            self._send_new(ledger, messages)

    @override
    def resolve_except(self, prefix: str, still: Collection[str], why: str) -> None:
        kept = {key_of(name) for name in still}
        try:
            ended = [key for key in self.ledger().open_keys(prefix) if key not in kept]
        except Exception as error:  # noqa: BLE001 - they stay open, which harms nobody
            _log.warning("the end of incidents %s… was not recorded: %s", prefix, error)
            return
        for key in ended:
            self.resolve(key, why)

    def glance(self) -> tuple[bool, Sequence[str]]:
        """Whether a turn has anything to do, and the keys of unresolved incidents."""
        return self.ledger().glance()

    def turn(self) -> AlarmTurn:
        """Tell what time has made due, and send what failed or was left by a process that ended."""
        ledger = self.ledger()
        ledger.postpone([message.message_id for message in ledger.tend(self.channels.all())])
        sent = failed = 0
        by_name = {channel.name: channel for channel in self.channels.all()}
        down: set[str] = set()
        for message in ledger.due_messages(MAX_MESSAGES_A_TURN):
            if message.channel in down:
                # One failure a turn: the others wait for the next.
                ledger.failed(message.message_id, "The channel failed for the message before.")
                failed += 1
            elif self._send(ledger, message, by_name.get(message.channel)):
                sent += 1
            else:
                down.add(message.channel)
                failed += 1
        return AlarmTurn(sent, failed)

    def _send_new(self, ledger: Incidents, messages: Sequence[AlarmMessage]) -> None:
        """Send what this call has made; a channel that fails already keeps nobody waiting."""
        if not messages:
            return
        by_name = {channel.name: channel for channel in self.channels.all()}
        try:
            failing = ledger.failing_channels()
            left = [message.message_id for message in messages if message.channel in failing]
            ledger.postpone(left)
        except Exception as error:  # noqa: BLE001 - its messages are sent by a later turn
            _log.warning("it is not known which channels of alarms fail: %s", error)
            failing = set(by_name) - {FILE_CHANNEL}
        for message in messages:
            if message.channel not in failing:
                self._send(ledger, message, by_name.get(message.channel))

    def _send(self, ledger: Incidents, message: AlarmMessage, channel: AlarmChannel | None) -> bool:
        error = _error_of(channel, message)
        try:
            if error is None:
                ledger.sent(message.message_id)  # guard: sent-alarm-recorded
            else:
                ledger.failed(message.message_id, error)  # guard: failed-alarm-recorded
        except Exception as problem:  # noqa: BLE001 - it is sent again, which is better than never
            _log.warning("whether alarm message %s was sent is not recorded: %s",
                         message.message_id, problem)  # fmt: skip
        return error is None

    def _tell_unrecorded(self, notice: Notice, error: Exception) -> None:
        """Without a record nobody knows what was told: by this process, each incident once in a while."""
        now = time.monotonic()
        last = self._told.get(notice.key)
        if last is not None and now - last < QUIET.total_seconds():
            return
        if len(self._told) >= MAX_REMEMBERED:
            self._told.clear()
        self._told[notice.key] = now
        _log.warning("the alarm %r could not be recorded as an incident: %s", notice.subject, error)
        for channel in self.channels.all():
            if not channel.is_for_escalations:
                _error_of(channel, _unrecorded(notice, channel.name, self.clock))


def _unrecorded(notice: Notice, channel: str, clock: Clock) -> AlarmMessage:
    return AlarmMessage(
        message_id=0,
        incident_id=0,
        incident=notice.key,
        channel=channel,
        event=IncidentEvent.OPENED,
        severity=notice.severity,
        subject=notice.subject,
        message=notice.message,
        runbook=notice.runbook,
        told_at=clock.now(),
    )


def _error_of(channel: AlarmChannel | None, message: AlarmMessage) -> str | None:
    """Why the channel did not take it; None where it did."""
    if channel is None:
        return (
            f"There is no channel {message.channel} any more; `cardops alarms channels` lists them."
        )
    try:
        channel.send(message)
    except ChannelError as error:
        _log.warning("an alarm was not sent to %s: %s", message.channel, error)
        return str(error)
    except Exception as error:  # noqa: BLE001 - a failed channel never stops the work it reports
        # Its text may quote a URL with its password.
        _log.warning("an alarm was not sent to %s: %s", message.channel, type(error).__name__)
        return f"It failed with {type(error).__name__}."
    return None
