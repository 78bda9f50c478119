"""The database's clock behind the Clock port, for processes that look at it seldom."""

from datetime import UTC, datetime

from cardops.adapters.postgresql.connection import connect


class PostgresClock:
    """Reads the clock with every look, on a session of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    def now(self) -> datetime:
        """Aware, in UTC. Raises DatabaseUnavailableError."""
        with connect(self._url) as session:
            row = session.execute("select clock_timestamp()").fetchone()
        if row is None:
            raise LookupError("the database returned no instant of its clock")
        at: datetime = row[0]
        return at.astimezone(UTC)
