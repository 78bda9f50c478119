"""SIGTERM: the batch in hand is answered, later requests get 503, then the server stops."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def drain_on_signal(drain: Callable[[], None]) -> Iterator[None]:
    """Call `drain` as a stop signal comes, before whoever else handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        drain()
        if callable(earlier):
            earlier(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
