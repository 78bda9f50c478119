"""The machine's clock behind the Clock port."""

from datetime import UTC, datetime


class SystemClock:
    """The current time of this machine."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)
