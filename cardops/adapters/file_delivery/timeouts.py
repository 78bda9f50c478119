"""How long a session waits for a card company's server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds; the last is for any wait for progress within a session."""

    connect_seconds: float = 15.0
    banner_seconds: float = 15.0
    authentication_seconds: float = 20.0
    channel_seconds: float = 30.0
