"""A database whose clock a test sets: functions that stand in for PostgreSQL's own.

PostgreSQL finds its functions before those of any schema, unless the search path names pg_catalog
later. So sessions opened with `with_test_clock` read the test's clock, and all others the real one.
"""

from datetime import datetime

from cardops.adapters.postgresql.connection import connect, with_options
from tests.fakes.clock import FakeClock

FUNCTIONS = """
create schema if not exists test_clock;
create table if not exists test_clock.instant (at timestamptz not null);
create or replace function test_clock.clock_timestamp() returns timestamptz
language sql volatile as 'select at from test_clock.instant';
create or replace function test_clock.statement_timestamp() returns timestamptz
language sql volatile as 'select at from test_clock.instant';
delete from test_clock.instant;
"""


def with_test_clock(url: str) -> str:
    """The URL of sessions that read the test's clock."""
    return with_options(url, "-csearch_path=cardops,test_clock,pg_catalog")


class DatabaseClock(FakeClock):
    """Sets the clock of the database at `url`, for sessions opened at `self.url`."""

    def __init__(self, url: str, at: datetime | None = None) -> None:
        self._session = connect(url)
        self._session.execute(FUNCTIONS)
        self.url = with_test_clock(url)
        self._at = FakeClock().at if at is None else at
        self._session.execute("insert into test_clock.instant values (%s)", [self._at])

    @property
    def at(self) -> datetime:  # type: ignore[override]
        """The instant that the database's clock shows."""
        return self._at

    @at.setter
    def at(self, at: datetime) -> None:
        self._at = at
        self._session.execute("update test_clock.instant set at = %s", [at])

    def close(self) -> None:
        self._session.close()
