"""A Ctrl-C ends a query of DuckDB at once, however busy the machine is.

Python calls its handler of signals when DuckDB hands control back, and while other work keeps the processors
that can take as long as the query. The byte that Python writes where a signal arrives is read at once here.
"""

import itertools
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import duckdb

# A query that begins forgets that its session was interrupted.
AGAIN_SECONDS: Final = 0.1
Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def interrupted_by_ctrl_c(
    session: duckdb.DuckDBPyConnection, pressed: threading.Event
) -> Iterator[None]:
    """Let a Ctrl-C interrupt whatever the session runs, to the end of the block, and set the event.

    The query then fails; no KeyboardInterrupt is raised but for a second Ctrl-C. Signals reach the main
    thread alone: in another one nothing is watched.
    """
    former = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(former):
        yield
        return
    arriving, writing = socket.socketpair()
    writing.setblocking(False)  # noqa: FBT003 - as Python asks of it
    former_descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _from_the_second_on(former))
    watcher = threading.Thread(target=_watch, args=(arriving, session, pressed), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        signal.set_wakeup_fd(former_descriptor)
        writing.close()  # the watcher reads the end
        watcher.join()
        arriving.close()


def _from_the_second_on(handler: Handler) -> Handler:
    counted = itertools.count()

    def handle(number: int, frame: FrameType | None) -> None:
        if next(counted):
            handler(number, frame)

    return handle


def _watch(
    arriving: socket.socket, session: duckdb.DuckDBPyConnection, pressed: threading.Event
) -> None:
    while not pressed.is_set():
        signals = arriving.recv(64)
        if not signals:
            return
        if signal.SIGINT in signals:
            pressed.set()
    arriving.settimeout(AGAIN_SECONDS)
    is_over = False
    while not is_over:
        session.interrupt()
        try:
            is_over = not arriving.recv(64)
        except TimeoutError:
            continue
