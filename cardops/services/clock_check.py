"""Compares this process's clock with the database's; while it is seconds off, nothing is served.

No decision is made by the local clock. But one that is wrong makes logs, signatures of callbacks
and tokens wrong, and says that nobody keeps this machine.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cardops.ports import Clock, DatabaseTime
from cardops.rules.clocks import ClockReading, skew_text

CHECK_SECONDS: Final = 1.0
NOT_READ: Final = "The clock of the database has not been read yet."

logger = logging.getLogger("cardops.clock")


class ClockNotReadError(RuntimeError):
    """The database did not respond yet; whoever asked tries again later."""


class ClockCheck:
    """`problem` says why this process serves nothing at present; None while its clock is right.

    As a Clock it shows the database's time: what was last read, and the monotonic time since.
    """

    def __init__(self, clock: Clock, database_time: DatabaseTime | None) -> None:
        self._clock = clock
        self._database_time = database_time
        # The database's instant at monotonic time 0.
        self._origin: datetime | None = None
        self.problem: str | None = None if database_time is None else NOT_READ
        # Called after each comparison with the seconds by which the clock is provably off.
        self.on_reading: Callable[[float], None] = lambda _seconds: None

    def now(self) -> datetime:
        """The database's time. Raises ClockNotReadError before the first reading."""
        if self._database_time is None:
            return self._clock.now()
        if self._origin is None:
            raise ClockNotReadError(NOT_READ)
        return self._origin + timedelta(seconds=time.monotonic())

    async def check(self) -> int:
        """Compare once; without a response of the database the last result stays."""
        if self._database_time is None:
            return 0
        started, asked_at = time.monotonic(), self._clock.now()
        database_at = await self._database_time.database_time()
        # Not a second reading of the clock, which may be set in between.
        ended = time.monotonic()
        if database_at is not None:
            answered_at = asked_at + timedelta(seconds=ended - started)
            self._origin = database_at - timedelta(seconds=ended)
            self._record(ClockReading(asked_at, database_at, answered_at))
        return 0

    def _record(self, reading: ClockReading) -> None:
        was_off, self.problem = self.problem not in {None, NOT_READ}, None
        if reading.is_off:
            self.problem = (
                f"The clock of this process is {skew_text(reading)} the database's; it serves "
                "nothing until the clock is right."
            )
            if not was_off:
                logger.error(self.problem)
        elif was_off:
            logger.warning("The clock of this process is right again; it serves.")
        self.on_reading(abs(reading.skew.total_seconds()))
