"""Assets are tried with the same ports in memory as the services they call."""

from tests.factories.memory_events import quick_event_logs
from tests.services.conftest import world

__all__ = ["quick_event_logs", "world"]
