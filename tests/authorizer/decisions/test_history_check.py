"""The check of histories can fail: each tampering is detected, and legal histories pass."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.oracles.histories import NEVER, Event, violations


def a_legal_history() -> list[Event]:
    return [
        Event("deposit", 1, 1000, None, 0, 1),
        Event("permit-a", 2, -400, 600, 2, 5),
        Event("refused-b", 2, 0, 600, 2, 6, is_effective=False, requested_minor=601),
        Event("refused-c", 2, 0, 600, 3, 4, is_effective=False, requested_minor=700),
        Event("permit-d", 3, -600, 0, 3, 7),
        Event("without-response", 4, 300, None, 8, NEVER),
        Event("permit-e", 5, -100, 200, 9, 10),
    ]


def test_legal_history_passes_in_any_recorded_order() -> None:
    assert violations(a_legal_history()) == []
    assert violations(a_legal_history()[::-1]) == []


def tampered(name: str, **fields: object) -> Callable[[], list[Event]]:
    def make() -> list[Event]:
        return [
            replace(event, **fields) if event.name == name else event  # type: ignore[arg-type]
            for event in a_legal_history()
        ]

    return make


def without(name: str) -> Callable[[], list[Event]]:
    return lambda: [event for event in a_legal_history() if event.name != name]


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (tampered("permit-a", remaining_minor=601), "reported 601 where 600"),
        (tampered("refused-b", remaining_minor=0), "reported 0 where 600"),
        (tampered("refused-b", requested_minor=600), "was refused 600 of 600"),
        (tampered("permit-d", change_minor=-601, remaining_minor=-1), "left -1"),
        (tampered("permit-e", position=4), "positions"),
        (without("permit-a"), "positions"),
        (without("without-response"), "missing"),
        # It ended before a request ordered before it began.
        (tampered("permit-d", began=0, ended=1.5), "permit-d had ended before"),
        (tampered("refused-b", began=0, ended=1.5), "refused-b had ended before"),
        (tampered("permit-a", began=9, ended=10), "had ended before permit-a began"),
        (tampered("refused-c", began=8, ended=8.5), "permit-d had ended before refused-c began"),
    ],
)
def test_tampered_history_is_detected(history: Callable[[], list[Event]], message: str) -> None:
    reported = violations(history())

    assert any(message in sentence for sentence in reported), reported


def test_lost_update_is_detected() -> None:
    """Two permits that saw the same balance: the classic lost update."""
    events = [
        Event("deposit", 1, 1000, None, 0, 1),
        Event("a", 2, -700, 300, 2, 3),
        Event("b", 2, -700, 300, 2, 3),
    ]

    assert violations(events)
