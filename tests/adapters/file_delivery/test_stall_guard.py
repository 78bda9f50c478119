"""A session without progress is ended; one with progress is not."""

import threading
import time

from cardops.adapters.file_delivery.stall_guard import StallGuard


def test_stalled_session_is_ended_once() -> None:
    ended = threading.Event()
    with StallGuard(ended.set, 0.05) as guard:
        assert ended.wait(5)
        assert guard.has_fired


def test_progressing_session_is_not_ended() -> None:
    ended = threading.Event()
    # Longer than the time without progress in all, by far shorter between two steps.
    with StallGuard(ended.set, 1.5) as guard:
        for _ in range(8):
            time.sleep(0.2)
            guard.progress()

    assert not ended.is_set()
    assert not guard.has_fired


def test_guard_does_nothing_after_its_block() -> None:
    ended = threading.Event()
    with StallGuard(ended.set, 0.05):
        pass

    assert not ended.wait(0.2)
