"""Alarms of deadlines: at 7, 3 and 1 days and when missed, once for each opening and deadline."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from cardops.adapters.postgresql.chargebacks.dispute_alarms import PostgresDisputeAlarms
from cardops.ports import DisputeAlarms
from cardops.rules.chargebacks.alarms import AlarmLevel, DeadlineAlarm, alarm_level, alarm_texts
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import Opening, RecordKind
from cardops.services.alarms.notifying import IncidentNotifier
from cardops.services.disputes.alarms import DeadlineAlarms
from tests.factories.dispute_queues import QueueWorld, a_step
from tests.fakes.alarm_channels import FakeChannel, FakeChannels
from tests.fakes.clock import FakeClock
from tests.fakes.disputes import FakeDisputeAlarms
from tests.fakes.incidents import FakeIncidents
from tests.fakes.notifier import FakeNotifier
from tests.servers.killable_alarms import alarms_of, die_at_steps

DUE = date(2026, 11, 30)


@pytest.fixture
def world() -> QueueWorld:
    return QueueWorld()


def levels(world: QueueWorld, days: int = 1) -> list[AlarmLevel]:
    """The levels of all alarms of so many days with a look each."""
    found: list[AlarmLevel] = []
    for _ in range(days):
        found += [alarm.level for alarm in world.look().raised]
        world.intake.clock.advance(days=1)
    return found


def test_each_alarm_is_raised_once_as_the_deadline_comes_near(world: QueueWorld) -> None:
    world.put("c1", reply_by_on=DUE, clock="feed")

    world.intake.clock.advance(days=2)
    assert levels(world) == []
    assert levels(world, days=9) == list(
        map(AlarmLevel, ("due_in_7", "due_in_3", "due_in_1", "missed"))
    )
    assert [subject for subject, _, _ in world.notifier.alarms] == [
        "1 dispute of default is to be answered within 7 days: c1",
        "1 dispute of default is to be answered within 3 days: c1",
        "1 dispute of default is to be answered within 1 day: c1",
        "1 dispute of default is overdue: c1",
    ]
    assert {runbook for _, _, runbook in world.notifier.alarms} == {
        "docs/runbooks/dispute-deadlines.md"
    }


def test_dispute_that_ended_or_was_answered_in_time_raises_no_alarm(world: QueueWorld) -> None:
    cases = ("won", "answered", "accepted", "closed")
    world.tell(*(a_step(case, reply_by="2026-11-29") for case in cases))
    world.tell(a_step("won", status="won"), a_step("answered", stage="representment"))
    world.record("accepted", RecordKind.ACCEPT)
    world.record("closed", RecordKind.CLOSE)

    world.intake.clock.advance(days=4)
    assert levels(world) == []
    world.intake.clock.advance(days=9)
    assert levels(world) == []


def test_reopened_dispute_and_moved_deadline_start_anew(world: QueueWorld) -> None:
    world.tell(a_step("c1", reply_by="2026-11-22"))
    assert levels(world) == [AlarmLevel.DUE_IN_3]

    # Open again with the same day: another clock. Then the feed gives two days more.
    world.tell(a_step("c1", status="won"))
    world.tell(a_step("c1", reply_by="2026-11-22", amount="20.00"))
    assert levels(world) == [AlarmLevel.DUE_IN_1]
    world.tell(a_step("c1", reply_by="2026-11-24"))
    assert levels(world) == [AlarmLevel.DUE_IN_3]
    assert [alarm.opening.number for alarm in world.alarms.raised] == [1, 2, 2]


def test_as_many_disputes_of_another_day_are_told_as_news(world: QueueWorld) -> None:
    """Of an incident that is open, operators are told what its subject has that it had not before."""
    world.put("c1", reply_by_on=DUE, clock="feed")
    world.put("c2", reply_by_on=DUE + timedelta(days=1), clock="feed")
    ledger, channel = FakeIncidents(world.intake.clock), FakeChannel("mail")
    notifier = IncidentNotifier(lambda: ledger, FakeChannels([channel]), world.intake.clock)

    world.intake.clock.advance(days=3)
    for _ in range(2):
        DeadlineAlarms(world.disputes, world.records, world.alarms, world.intake.clock).raise_due(
            notifier
        )
        world.intake.clock.advance(days=1)

    assert [message.subject for message in channel.sent] == [
        "1 dispute of default is to be answered within 7 days: c1",
        "Changed: 1 dispute of default is to be answered within 7 days: c2",
    ]


@dataclass
class AlarmModel:
    """One dispute: its deadline and opening, and what was said of them."""

    opening: int = 1
    due: date | None = None
    is_open: bool = False
    said: set[tuple[int, date, str]] = field(default_factory=set)

    def look(self, today: date) -> list[str]:
        if not self.is_open or self.due is None:
            return []
        left = (self.due - today).days
        level = next(
            (
                name
                for name, first, last in (
                    ("missed", -10_000, -1),
                    ("due_in_1", 0, 1),
                    ("due_in_3", 2, 3),
                    ("due_in_7", 4, 7),
                )
                if first <= left <= last
            ),
            None,
        )
        if level is None or (self.opening, self.due, level) in self.said:
            return []
        self.said.add((self.opening, self.due, level))
        return [level]


EVENTS = st.lists(
    st.one_of(
        st.just("look"),
        st.just("look"),
        st.just("end"),
        st.integers(1, 3),
        st.dates(date(2026, 11, 16), date(2026, 12, 4)),
    ),
    min_size=10,
    max_size=14,
)


@pytest.mark.parametrize("examples", [1, pytest.param(60, marks=pytest.mark.soak)])
def test_alarms_are_those_of_a_dispute_by_itself(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate])
    @given(EVENTS)
    def check(events: list[object]) -> None:
        world, model = QueueWorld(), AlarmModel()
        for place, event in enumerate(events):
            # A file with the bytes of an earlier one would be a repeat.
            amount = f"{place + 1}.00"
            if event == "look":
                found = [str(alarm.level) for alarm in world.look().raised]
                assert found == model.look(world.intake.clock.now().date())
            elif isinstance(event, date):
                world.tell(a_step("c1", reply_by=str(event), amount=amount))
                model.opening += not model.is_open
                model.due, model.is_open = event, True
            elif isinstance(event, int):
                world.intake.clock.advance(days=event)
            else:
                world.tell(a_step("c1", status="lost", amount=amount))
                model.is_open = False

    check()


def test_levels_are_reached_on_the_day_itself() -> None:
    found = {days: alarm_level(days) for days in (8, 7, 4, 3, 2, 1, 0, -1, -400)}

    assert [str(level) for level in found.values()] == [
        *("None", "due_in_7", "due_in_7", "due_in_3", "due_in_3", "due_in_1", "due_in_1"),
        *("missed", "missed"),
    ]


def an_alarm(case: str, level: AlarmLevel = AlarmLevel.DUE_IN_3, day: date = DUE) -> DeadlineAlarm:
    return DeadlineAlarm(Opening(DisputeKey("default", "visa", case), "chargeback", 1), day, level)


def test_many_alarms_are_one_text_with_the_nearest_first() -> None:
    many = [an_alarm(f"c{place:02}", day=DUE + timedelta(days=place)) for place in range(25)]
    missed = [
        an_alarm("old", AlarmLevel.MISSED, DUE - timedelta(days=9)),
        an_alarm("new", AlarmLevel.MISSED, DUE - timedelta(days=1)),
    ]

    first, second = alarm_texts([*reversed(many), *missed])

    assert first.subject == "2 disputes of default are overdue: new and 1 more"
    assert first.message.index("new (visa") < first.message.index("old (visa")
    assert (
        second.subject == "25 disputes of default are to be answered within 3 days: c00 and 24 more"
    )
    assert "c00 (visa, chargeback) by 2026-11-30, c01" in second.message
    assert "c19" in second.message
    assert "c20" not in second.message
    assert "and 5 more. `cardops disputes list --program default --due-within 3`" in second.message


@pytest.mark.database
@pytest.mark.parametrize("store", ["fake", "postgresql"])
def test_stores_give_each_alarm_to_one_caller(store: str, module_database_url: str) -> None:
    alarms: DisputeAlarms = (
        FakeDisputeAlarms() if store == "fake" else PostgresDisputeAlarms(module_database_url)
    )
    wanted = [an_alarm(f"store-{place}") for place in range(3)]
    later = FakeClock().now() + timedelta(days=36_500)

    assert sorted(alarms.claim(wanted[:2]), key=str) == wanted[:2]
    assert alarms.claim(wanted) == wanted[2:]
    assert alarms.claim([]) == []
    alarms.confirm(wanted[:1])
    assert sorted(alarms.unconfirmed(later), key=str) == wanted[1:]
    assert alarms.unconfirmed(FakeClock().now() - timedelta(days=36_500)) == []
    alarms.confirm(wanted)


@pytest.mark.database
def test_two_workers_at_once_send_each_alarm_once(module_database_url: str) -> None:
    cases = [f"both-{place:03}" for place in range(200)]
    notifier = FakeNotifier()

    with ThreadPoolExecutor(4) as pool:
        looks = [
            pool.submit(alarms_of(module_database_url, *cases).raise_due, notifier)
            for _ in range(4)
        ]
        raised = [alarm for look in looks for alarm in look.result().raised]

    assert sorted(alarm.opening.dispute.case_number for alarm in raised) == cases
    assert len(notifier.alarms) == sum(bool(look.result().raised) for look in looks)


@pytest.mark.database
def test_alarm_of_a_killed_process_is_sent_at_most_once(
    module_database_url: str, tmp_path: Path
) -> None:
    sent = tmp_path / "alarms.jsonl"
    # Before the claim, before the alarm, before its confirmation, and after all.
    ended = die_at_steps(module_database_url, sent, steps := (1, 2, 3, 9))
    assert ended == [-signal.SIGKILL] * 3 + [0]

    cases = [f"at-{step}" for step in steps]
    notifier = FakeNotifier()
    raised = alarms_of(module_database_url, *cases).raise_due(notifier).raised

    told = [json.loads(line)["message"] for line in sent.read_text().splitlines()]
    assert [case for case in cases if any(case in message for message in told)] == ["at-3", "at-9"]
    assert [alarm.opening.dispute.case_number for alarm in raised] == ["at-1"]
    later = FakeClock().now() + timedelta(days=36_500)
    unconfirmed = PostgresDisputeAlarms(module_database_url).unconfirmed(later)
    assert [alarm.opening.dispute.case_number for alarm in unconfirmed] == ["at-2", "at-3"]
