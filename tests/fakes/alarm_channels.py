"""Channels of alarms that remember what they were given, and fail when told to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cardops.ports import AlarmChannel
from cardops.rules.alarms.messages import AlarmMessage
from cardops.rules.alarms.records import ChannelError


@dataclass
class FakeChannel:
    """`sent` holds what it took. `error` makes it fail."""

    name: str
    is_for_escalations: bool = False
    sent: list[AlarmMessage] = field(default_factory=list)
    error: Exception | None = None

    def send(self, message: AlarmMessage) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(message)

    @property
    def subjects(self) -> list[str]:
        return [message.subject for message in self.sent]


@dataclass
class FakeChannels:
    """The channels of a test."""

    channels: Sequence[AlarmChannel]

    def all(self) -> Sequence[AlarmChannel]:
        return self.channels


def down(reason: str = "It is down.") -> ChannelError:
    """What a channel raises that does not take an alarm."""
    return ChannelError(reason)
