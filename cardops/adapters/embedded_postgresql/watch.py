"""Notices that the embedded server is gone, and starts it again: one thread in each process that uses it.

Belongs here: when to look, when to start, how long to pause, and what is said. How it is started is
in server. docs/decisions/0040 says why every user of the server watches it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.ports import DatabaseWatch

LOGGER: Final = logging.getLogger("cardops.database")
POLL_SECONDS: Final = 0.25
# A server that ran for less is dying again and again: each further start waits longer.
STABLE_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 15.0
BY_ANOTHER: Final = " (another process started it)"


@dataclass(slots=True)
class StartPauses:
    """How long to wait before each start: not at all, then twice as long each time."""

    _starts: int = 0
    _last_recovery: float | None = None

    def begin_outage(self, now: float) -> None:
        """The server is gone; one that had run for a while starts again without a pause."""
        if self._last_recovery is None or now - self._last_recovery >= STABLE_SECONDS:
            self._starts = 0

    def end_outage(self, now: float) -> None:
        """The server runs again."""
        self._last_recovery = now

    def next(self) -> float:
        """Seconds to wait before the next start."""
        self._starts += 1
        if self._starts == 1:
            return 0.0
        return float(
            min(FIRST_PAUSE_SECONDS * 2 ** min(self._starts - 2, 16), LONGEST_PAUSE_SECONDS)
        )


class ServerWatch(DatabaseWatch):
    """A thread that looks at the server until `end`.

    `server_pid` is the process that serves the data, None if there is none. `start` starts one if
    there is none, waits until it accepts connections, and returns whether this process started it.
    It may raise DatabaseUnavailableError or OSError.
    """

    def __init__(
        self, server_pid: Callable[[], int | None], start: Callable[[], bool], *, name: str
    ) -> None:
        self._server_pid = server_pid
        self._start = start
        self._name = name
        self._pauses = StartPauses()
        self._outage: str | None = None
        self._outage_count = 0
        self._is_ending = threading.Event()
        # A thread that kept the interpreter alive would keep it from leaving the server at exit.
        self._thread = threading.Thread(target=self._run, name="database-watch", daemon=True)

    def begin(self) -> None:
        """Look from now on."""
        self._thread.start()

    def end(self) -> None:
        """Look no longer; a start that is under way is waited for."""
        self._is_ending.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    @property
    @override
    def outage(self) -> str | None:
        return self._outage

    @property
    @override
    def outage_count(self) -> int:
        return self._outage_count

    def _run(self) -> None:
        known = self._server_pid()
        while not self._is_ending.wait(POLL_SECONDS):
            pid = self._server_pid()
            if pid is None:
                self._end_outage()
                pid = self._server_pid()
            elif pid != known:  # another process was faster than this look
                LOGGER.warning("%s was gone and runs again%s.", self._name, BY_ANOTHER)
                self._outage_count += 1
            known = pid

    def _end_outage(self) -> None:
        """Start the server again, however often that takes."""
        began = time.monotonic()
        self._outage_count += 1
        self._outage = "its process ended; it is being started again"
        self._pauses.begin_outage(began)
        LOGGER.warning("%s is gone: its process ended. It is being started again.", self._name)
        pause = self._pauses.next()
        while not self._is_ending.wait(pause):
            try:
                is_ours = self._start()
            except (DatabaseUnavailableError, OSError) as error:
                pause = self._pauses.next()
                self._outage = str(error)
                LOGGER.error("%s The next attempt is in %.0f s.", _sentence(error), pause)  # noqa: TRY400 - the sentence says it all
            else:
                self._pauses.end_outage(time.monotonic())
                by = "" if is_ours else BY_ANOTHER
                seconds = time.monotonic() - began
                LOGGER.warning("%s runs again after %.1f s%s.", self._name, seconds, by)
                # Last: who sees that the outage is over finds its end in the log.
                self._outage = None
                return


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"The embedded database cannot be started: {error.strerror} ({error.filename})."
    return str(error)
