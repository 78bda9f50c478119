"""Rows done and their rate, as lines now and then."""

from cardops.ports.progress import (
    SECONDS_BETWEEN_LINES,
    ProgressLines,
    Step,
    heard_by,
    rows_done,
)
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = "user_id,amount,deposit_id,timestamp"


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_long_work_is_told_every_few_seconds_with_its_rate() -> None:
    said: list[str] = []
    watch = Watch()
    lines = ProgressLines(said.append, watch)

    for _ in range(24):
        watch.seconds += 0.5
        lines(Step.JUDGED, 5_000)

    assert SECONDS_BETWEEN_LINES == 5
    assert said == [
        "50,000 rows judged, 10,000 rows a second",
        "100,000 rows judged, 10,000 rows a second",
    ]


def test_each_step_has_its_own_count_and_time() -> None:
    said: list[str] = []
    watch = Watch()
    lines = ProgressLines(said.append, watch)

    for step, rows in ((Step.JUDGED, 6_000), (Step.POSTED, 600)):
        watch.seconds += 6
        lines(step, rows)

    assert said == ["6,000 rows judged, 1,000 rows a second", "600 rows posted, 100 rows a second"]


def test_short_work_says_nothing() -> None:
    said: list[str] = []
    watch = Watch()
    lines = ProgressLines(said.append, watch)

    watch.seconds = 4.9
    lines(Step.JUDGED, 10_000)

    assert said == []


def test_rows_of_a_file_are_heard_while_it_is_ingested(world: IntakeWorld) -> None:
    heard: list[tuple[Step, int]] = []
    line = "u1,25.00,d{n},2026-11-20T10:00:00Z"

    with heard_by(lambda step, rows: heard.append((step, rows))):
        world.submit("deposits", csv_file(HEADER, *(line.format(n=n) for n in range(7))))
    rows_done(Step.JUDGED, 99)

    assert [entry for entry in heard if entry[1]] == [(Step.JUDGED, 7)]
