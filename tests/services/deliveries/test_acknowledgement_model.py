"""Acknowledgements in any order, twice, late, unknown, conflicting: as a slow and obvious model says."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cardops.rules.deliveries.records import ChargebackFileRecord
from tests.factories.acknowledged_files import (
    OUTBOX,
    AcknowledgementDesk,
    DeliveredFiles,
    age,
    an_acknowledgement,
    outbox_of,
)
from tests.fakes.destinations import FakeDestinations
from tests.oracles.acknowledgements import AcknowledgementModel, SentFile, Written

pytestmark = pytest.mark.database

CASES = ("c1", "c2", "c3")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DAMAGES = ("", "", "", "", "", "sequence", "sha256", "counts", "line", "text")
NUMBERS = st.integers(0, 7)
# A file, which of its cases are rejected, and what is wrong with the acknowledgement.
ANSWER = st.tuples(st.just("answer"), NUMBERS, NUMBERS, st.sampled_from(DAMAGES))
# The same as one before, or the hours that pass, or the number of a waiting row that a person releases.
OTHER = st.tuples(st.sampled_from(["again", "hours", "hours", "release", "release"]), NUMBERS)
STEPS = st.lists(st.one_of(ANSWER, ANSWER, ANSWER, OTHER, OTHER), min_size=5, max_size=14)


@pytest.fixture(scope="module")
def delivered(module_database_url: str) -> DeliveredFiles:
    return DeliveredFiles(module_database_url)


class Polling:
    """The service and the model, side by side."""

    def __init__(self, delivered: DeliveredFiles) -> None:
        delivered.forget()
        destinations = FakeDestinations()
        self.outbox = outbox_of(destinations)
        self.desk = AcknowledgementDesk(delivered.url, destinations, delivered=delivered)
        self.model = AcknowledgementModel()
        self.records: list[ChargebackFileRecord] = []
        self.answers: list[tuple[int, frozenset[str], str]] = []
        self.outcomes: Counter[str] = Counter()
        self._sent(self.desk.deliver(*CASES), list(CASES))

    def take(self, step: tuple[Any, ...]) -> None:
        kind, *values = step
        if kind == "hours":
            hours = values[0] * 5
            age(self.desk, hours)
            self.model.now_hour += hours
            self._poll([])
        elif kind == "release":
            self._release(values[0])
        elif kind == "again":
            if self.answers:
                self._answer(*self.answers[values[0] % len(self.answers)])
        else:
            number, chosen, damage = values
            file = number % len(self.records)
            cases = self.model.files[file].cases
            rejected = {case for bit, case in enumerate(cases) if chosen >> bit & 1}
            self._answer(file, frozenset(rejected), damage)

    def _answer(self, file: int, rejected: frozenset[str], damage: str) -> None:
        self.answers.append((file, rejected, damage))
        name = f"{len(self.answers):03d}.ack.json"
        record = self.records[file]
        self.outbox[f"{OUTBOX}/{name}"] = _content(record, sorted(rejected), damage)
        self._poll([Written(name, file, rejected, damage)])

    def _poll(self, written: list[Written]) -> None:
        expected, resent = self.model.poll(written)
        read = self.desk.poll().read
        assert [(found.file.file_name, found.outcome) for found in read] == expected
        self.outcomes.update(str(outcome) for _, outcome in expected)
        reopened = [found.reopened_to for found in read if found.reopened_to]
        assert len(reopened) == len(resent)
        for batch_id, cases in zip(reopened, resent, strict=True):
            self._send(str(batch_id), cases)
        self._compare()

    def _release(self, number: int) -> None:
        if not self.model.waiting:
            return
        case = self.model.waiting.pop(number % len(self.model.waiting))
        ledger = self.desk.world.intake_ledger
        (key,) = [row.key for row in ledger.held_disputes() if row.case_number == case]
        batch = ledger.release_disputes("default", [key], by="me", why="mended")
        assert batch is not None
        self._send(batch.batch_id, [case])
        self._compare()

    def _send(self, batch_id: str, cases: list[str]) -> None:
        record = self.desk.make(batch_id)
        assert record.row_count == len(cases)
        self._sent(record, cases)

    def _sent(self, record: ChargebackFileRecord, cases: list[str]) -> None:
        self.records.append(record)
        sent = SentFile(record.file_name, record.batch_id, cases, self.model.now_hour)
        self.model.files.append(sent)

    def _compare(self) -> None:
        desk, model = self.desk, self.model
        waiting = [(case, reason) for case, reason, _ in desk.waiting()]
        assert sorted(waiting) == sorted((case, "rejected") for case in model.waiting)
        assert Counter(subject for subject, _, _ in desk.notifier.alarms) == model.alarms
        standing = {
            str(found.batch_id): found.accepted_count
            for found in desk.acknowledgements.since(LONG_AGO)
            if found.outcome == "matched"
        }
        known = {file.batch_id: file.accepted for file in model.files if file.verdict is not None}
        assert standing == known
        assert desk.world.intake_ledger.batch_accounts(LONG_AGO) == []


def _content(record: ChargebackFileRecord, rejected: Sequence[str], damage: str) -> bytes:
    changes: dict[str, dict[str, object]] = {
        "sequence": {"sequence": 900},
        "sha256": {"sha256": "0" * 64},
        "counts": {"rows": {"accepted": 90, "rejected": len(rejected)}},
    }
    if damage == "line":
        rows = {"accepted": 0, "rejected": len(rejected) + 1}
        return an_acknowledgement(record, [*rejected, "c9"], rows=rows)
    if damage == "text":
        return b"not JSON"
    return an_acknowledgement(record, rejected, **changes.get(damage, {}))


def compare(delivered: DeliveredFiles, steps: Sequence[tuple[Any, ...]]) -> Counter[str]:
    polling = Polling(delivered)
    for step in steps:
        polling.take(step)
    return polling.outcomes


def test_rejected_twice_released_and_conflicting_rows_are_as_the_model_says(
    delivered: DeliveredFiles,
) -> None:
    steps = [
        *[("answer", 0, 0, "sequence"), ("answer", 0, 2, "line"), ("answer", 0, 2, "text")],
        *[("answer", 0, 2, ""), ("again", 3), ("answer", 0, 1, "")],
        *[("hours", 5), ("answer", 1, 1, ""), ("release", 0), ("answer", 2, 1, "")],
        *[("answer", 2, 0, ""), ("release", 0), ("answer", 3, 0, "")],
    ]

    outcomes = compare(delivered, steps)

    assert set(outcomes) >= {"matched", "repeated", "conflicting", "unknown", "inconsistent"}
    assert outcomes["matched"] == 4


@settings(
    max_examples=2,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(STEPS)
def test_any_acknowledgements_end_as_the_model_says(
    delivered: DeliveredFiles, steps: list[tuple[Any, ...]]
) -> None:
    compare(delivered, steps)


@pytest.mark.soak
@settings(max_examples=250, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(STEPS)
def test_many_acknowledgements_end_as_the_model_says(
    delivered: DeliveredFiles, steps: list[tuple[Any, ...]]
) -> None:
    compare(delivered, steps)
