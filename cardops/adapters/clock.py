"""The machine's clock behind the Clock port."""

from datetime import UTC, datetime


class SystemClock:
    """The present instant as this machine has it."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)
