"""One contract for incidents in memory and on PostgreSQL, method by method."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.ports import Incidents
from cardops.rules.alarms.incidents import QUIET, Incident, IncidentState, Notice, Severity
from cardops.rules.alarms.messages import CLAIMED_FOR, MAX_ATTEMPTS, AlarmMessage
from cardops.rules.alarms.records import UnsentMessage
from tests.factories.waiting import wait_until
from tests.fakes.alarm_channels import FakeChannel
from tests.fakes.clock import FakeClock
from tests.fakes.incidents import FakeIncidents

DOWN = Notice("delivery:visa", "Deliveries to visa are paused", "refused", "docs/runbooks/r.md")
BREAK = Notice("books:2026-11-20", "Books disagree", "1 break", severity=Severity.CRITICAL)
UNCLAIMED = Notice("misplaced-files:in/", "Not taken", "x.csv", severity=Severity.WARNING)
ROUTES = (FakeChannel("file"), FakeChannel("mail"), FakeChannel("boss", is_for_escalations=True))
HEARD, ALL = ["file", "mail"], frozenset(IncidentState)


@dataclass
class Ledger:
    """The incidents of a test with their clock."""

    clock: FakeClock
    incidents: Incidents

    def report(self, notice: Notice = DOWN) -> Sequence[AlarmMessage]:
        return self.incidents.report(notice, ROUTES)

    def resolve(self, key: str = DOWN.key, by: str | None = None) -> Sequence[AlarmMessage]:
        return self.incidents.resolve(key, "It works.", ROUTES, by=by)

    def incident(self, number: int = 1) -> Incident:
        record = self.incidents.find(number)
        assert record is not None
        return record.incident

    def unsent(self, number: int = 1) -> Sequence[UnsentMessage]:
        record = self.incidents.find(number)
        assert record is not None
        return record.unsent


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    clock = FakeClock()
    if request.param == "fake":
        return Ledger(clock, FakeIncidents(clock))
    url = request.getfixturevalue("database_url")
    return Ledger(clock, PostgresIncidents(url, clock=clock.now))


def words(messages: Sequence[AlarmMessage]) -> list[tuple[str, str]]:
    return [(message.channel, message.event.value) for message in messages]


def test_first_sighting_opens_the_incident_and_tells_who_hears_of_everything(
    ledger: Ledger,
) -> None:
    messages = ledger.report()

    assert words(messages) == [("file", "opened"), ("mail", "opened")]
    assert [message.message_id for message in messages] == [1, 2]
    assert messages[0] == AlarmMessage(
        message_id=1, incident_id=1, incident=DOWN.key, channel="file", event=messages[0].event,
        severity=Severity.ERROR, subject=DOWN.subject, message="refused", runbook=DOWN.runbook,
        told_at=ledger.clock.at,
    )  # fmt: skip
    assert ledger.incident() == Incident(
        key=DOWN.key, subject=DOWN.subject, message=DOWN.message, runbook=DOWN.runbook,
        severity=Severity.ERROR, state=IncidentState.OPEN, first_seen_at=ledger.clock.at,
        opened_at=ledger.clock.at, last_seen_at=ledger.clock.at, incident_id=1,
        told_event=messages[0].event, told_at=ledger.clock.at, told_severity=Severity.ERROR,
        told_subject=DOWN.subject,
    )  # fmt: skip


def test_further_sighting_counts_and_tells_nothing(ledger: Ledger) -> None:
    ledger.report()
    ledger.clock.advance(minutes=1)

    assert ledger.report(replace(DOWN, message="refused again")) == []
    seen = ledger.incident()
    assert (seen.seen_count, seen.message, seen.last_seen_at) == (
        2, "refused again", ledger.clock.at,
    )  # fmt: skip


def test_incidents_have_numbers_of_their_own(ledger: Ledger) -> None:
    numbers = [ledger.report(notice)[0].incident_id for notice in (DOWN, BREAK, UNCLAIMED)]

    assert numbers == sorted(set(numbers))


def test_end_is_told_once_and_says_who_said_so(ledger: Ledger) -> None:
    ledger.report()

    (first, _) = ledger.resolve(by="ann")
    assert (first.event, first.message) == ("resolved", "It works. (ann)")
    assert ledger.resolve() == []
    assert ledger.resolve("never-seen") == []
    over = ledger.incident()
    assert (over.state, over.resolved_by, over.resolution) == ("resolved", "ann", "It works.")


def test_incident_that_comes_back_is_the_same_one_open_again(ledger: Ledger) -> None:
    ledger.report()
    ledger.resolve(by="ann")
    ledger.clock.advance(hours=1)

    assert words(ledger.report())[0] == ("file", "reopened")
    back = ledger.incident()
    assert (back.opened_count, back.resolved_by, back.resolved_at) == (2, None, None)


def test_acknowledgement_is_kept_with_its_note_and_is_no_end(ledger: Ledger) -> None:
    ledger.report()

    after = ledger.incidents.acknowledge(1, "ann", "called them")
    assert after == ledger.incident()
    assert (after.state, after.acknowledged_by, after.note) == (
        "acknowledged", "ann", "called them",
    )  # fmt: skip
    assert ledger.incidents.open_keys("") == [DOWN.key]


def test_resolved_or_missing_incident_is_not_acknowledged(ledger: Ledger) -> None:
    ledger.report()
    ledger.resolve()

    after = ledger.incidents.acknowledge(1, "ann", None)
    assert after is not None
    assert (after.state, after.acknowledged_by) == ("resolved", None)
    assert ledger.incidents.acknowledge(99, "ann", None) is None


def test_history_has_each_step_in_order_with_who_and_what(ledger: Ledger) -> None:
    ledger.report()
    ledger.incidents.acknowledge(1, "ann", None)
    ledger.incidents.acknowledge(1, "ben", "taken over")
    ledger.resolve(by="ben")

    record = ledger.incidents.find(1)
    assert record is not None
    assert [(entry.event, entry.actor, entry.text) for entry in record.history] == [
        ("opened", None, "refused"),
        ("acknowledged", "ann", ""),
        ("acknowledged", "ben", "taken over"),
        ("resolved", "ben", "It works."),
    ]
    assert ledger.incidents.find(2) is None


def test_time_alone_makes_escalations_due_and_everybody_hears_of_them(ledger: Ledger) -> None:
    ledger.report()
    ledger.report(UNCLAIMED)
    assert ledger.incidents.tend(ROUTES) == []
    ledger.clock.advance(minutes=61)

    assert words(ledger.incidents.tend(ROUTES)) == [
        (channel, "escalated") for channel in (*HEARD, "boss")
    ]
    assert ledger.incidents.tend(ROUTES) == []
    assert [message.channel for message in ledger.resolve()] == [*HEARD, "boss"]


def test_what_was_kept_back_for_a_pause_is_told_after_it(ledger: Ledger) -> None:
    ledger.report()
    assert ledger.report(replace(DOWN, subject="Login to visa refused")) == []
    ledger.clock.advance(seconds=QUIET.total_seconds())

    assert words(ledger.incidents.tend(ROUTES)) == [("file", "changed"), ("mail", "changed")]


def test_message_is_its_senders_for_two_minutes_then_anybodys(ledger: Ledger) -> None:
    first, second = ledger.report()
    assert ledger.incidents.due_messages(10) == []
    ledger.clock.advance(seconds=CLAIMED_FOR.total_seconds())

    assert ledger.incidents.due_messages(1) == [first]
    assert ledger.incidents.due_messages(10) == [second]
    assert ledger.incidents.due_messages(10) == [], "claimed again"


def test_message_that_was_sent_is_never_due_again(ledger: Ledger) -> None:
    first, second = ledger.report()
    ledger.incidents.sent(first.message_id)
    ledger.clock.advance(days=1)

    assert ledger.incidents.due_messages(10) == [second]
    ledger.incidents.postpone([first.message_id])
    assert ledger.incidents.due_messages(10) == []


def test_message_that_failed_is_due_after_growing_pauses(ledger: Ledger) -> None:
    _, mail = ledger.report()
    for minutes, attempts in ((1, 1), (2, 2), (4, 3)):
        ledger.incidents.failed(mail.message_id, "refused")
        assert ledger.incidents.failing_channels() == {"mail"}
        assert list(ledger.unsent()) == [UnsentMessage("mail", "opened", attempts, "refused")]
        ledger.clock.advance(minutes=minutes)
        due = ledger.incidents.due_messages(10)
        assert replace(mail, attempt_count=attempts) in due

    ledger.incidents.sent(mail.message_id)
    assert ledger.incidents.failing_channels() == set()
    assert ledger.unsent() == []


def test_message_that_failed_for_days_is_given_up_and_still_listed(ledger: Ledger) -> None:
    _, mail = ledger.report()
    for _ in range(MAX_ATTEMPTS):
        ledger.incidents.failed(mail.message_id, "refused")
    ledger.clock.advance(days=30)

    assert mail.channel not in {due.channel for due in ledger.incidents.due_messages(10)}
    assert ledger.incidents.failing_channels() == set()
    assert [unsent.attempt_count for unsent in ledger.unsent()] == [MAX_ATTEMPTS]


def test_postponed_message_is_due_at_once(ledger: Ledger) -> None:
    messages = ledger.report()

    ledger.incidents.postpone([message.message_id for message in messages])
    ledger.incidents.postpone([])

    assert ledger.incidents.due_messages(10) == messages


def test_message_of_no_number_changes_nothing(ledger: Ledger) -> None:
    ledger.incidents.sent(99)
    ledger.incidents.failed(99, "refused")

    assert ledger.incidents.failing_channels() == set()


@pytest.mark.parametrize("is_escalation", [True, False])
def test_glance_says_whether_a_turn_has_anything_to_do(
    ledger: Ledger, *, is_escalation: bool
) -> None:
    assert ledger.incidents.glance() == (False, [])
    messages = ledger.report()
    ledger.report(BREAK)
    assert ledger.incidents.glance() == (False, [BREAK.key, DOWN.key])

    if is_escalation:
        ledger.clock.advance(minutes=16)
    else:
        ledger.incidents.postpone([messages[0].message_id])
    assert ledger.incidents.glance() == (True, [BREAK.key, DOWN.key])
    ledger.resolve(BREAK.key)
    assert ledger.incidents.glance()[1] == [DOWN.key]


def test_open_keys_are_those_that_begin_so_in_order(ledger: Ledger) -> None:
    for key in ("late-file:b", "late-file:a", "late-file", "late-files:x", "late-file:c", "run:z"):
        ledger.report(replace(DOWN, key=key))
    ledger.incidents.acknowledge(1, "ann", None)
    ledger.resolve("late-file:c")

    assert ledger.incidents.open_keys("late-file:") == ["late-file:a", "late-file:b"]
    assert ledger.incidents.open_keys("nothing") == []


def test_list_has_the_worst_and_newest_first_and_what_is_over_last(ledger: Ledger) -> None:
    for number, notice in enumerate((UNCLAIMED, DOWN, BREAK)):
        ledger.report(notice)
        ledger.report(replace(notice, key=f"{number}-later"))
        ledger.clock.advance(minutes=1)
    ledger.resolve("2-later")
    ledger.incidents.acknowledge(1, "ann", None)

    def keys(*states: IncidentState, limit: int = 100) -> list[str]:
        return [record.incident.key for record in ledger.incidents.all(states, limit)]

    in_order = [BREAK.key, "1-later", DOWN.key, "0-later", UNCLAIMED.key, "2-later"]
    assert keys(*ALL) == in_order
    assert keys(*ALL, limit=2) == in_order[:2]
    assert keys(IncidentState.RESOLVED) == ["2-later"]
    assert keys(IncidentState.ACKNOWLEDGED) == [UNCLAIMED.key]
    assert keys() == []


def test_list_names_channels_that_failed_and_no_history(ledger: Ledger) -> None:
    _, mail = ledger.report()
    ledger.incidents.failed(mail.message_id, "refused")

    (record,) = ledger.incidents.all(ALL, 10)
    assert [unsent.channel for unsent in record.unsent] == ["mail"]
    assert record.history == ()


def test_what_ended_long_ago_is_forgotten_with_its_history_and_nothing_else(
    ledger: Ledger,
) -> None:
    for notice in (DOWN, BREAK, UNCLAIMED):
        for message in ledger.report(notice):
            ledger.incidents.sent(message.message_id)
    ledger.incidents.acknowledge(3, "ann", None)
    for message in ledger.resolve():
        ledger.incidents.sent(message.message_id)
    ledger.clock.advance(days=400)

    assert ledger.incidents.forget(ledger.clock.at - timedelta(days=401)) == 0
    assert ledger.incidents.forget(ledger.clock.at - timedelta(days=399)) == 1
    assert ledger.incidents.find(1) is None
    assert [record.incident.key for record in ledger.incidents.all(ALL, 10)] == [
        BREAK.key, UNCLAIMED.key,
    ]  # fmt: skip
    (opened, acknowledged) = ledger.incidents.find(3).history  # type: ignore[union-attr] # it stays
    assert (opened.event, acknowledged.event) == ("opened", "acknowledged")
    assert words(ledger.report())[0] == ("file", "opened"), "a new incident"


def test_what_nobody_could_be_told_of_is_not_forgotten(ledger: Ledger) -> None:
    ledger.report()
    ledger.resolve()
    ledger.clock.advance(days=400)

    assert ledger.incidents.forget(ledger.clock.at) == 0
    for message in ledger.incidents.due_messages(10):
        ledger.incidents.sent(message.message_id)
    assert ledger.incidents.forget(ledger.clock.at) == 1


@pytest.mark.database
def test_incident_that_is_seen_while_it_is_forgotten_is_recorded(database_url: str) -> None:
    """Its row is locked to be removed: who sees it again waits, and finds none."""
    clock = FakeClock()
    incidents = PostgresIncidents(database_url, clock=clock.now)
    incidents.report(DOWN, [])
    incidents.resolve(DOWN.key, "It works.", [])
    with connect(database_url) as forgetting, ThreadPoolExecutor(1) as others:
        forgetting.execute("begin")
        forgetting.execute("select incident_id from alarm_incidents for update")
        seen = others.submit(incidents.report, DOWN, ROUTES)
        wait_until(lambda: bool(waiting_for_a_lock(database_url)))
        forgetting.execute("delete from alarm_events")
        forgetting.execute("delete from alarm_incidents")
        forgetting.execute("commit")

        assert words(seen.result(30))[0] == ("file", "opened")
    assert incidents.open_keys("") == [DOWN.key]


def waiting_for_a_lock(url: str) -> list[object]:
    with connect(url) as session:
        return session.execute(
            "select pid from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'"
        ).fetchall()


@pytest.mark.database
def test_message_that_another_process_is_claiming_is_not_handed_out(database_url: str) -> None:
    clock = FakeClock()
    incidents = PostgresIncidents(database_url, clock=clock.now)
    incidents.report(DOWN, ROUTES)
    clock.advance(minutes=3)
    with connect(database_url) as claiming, ThreadPoolExecutor(1) as others:
        claiming.execute("begin")
        claiming.execute("select message_id from alarm_messages for update")
        claimed = others.submit(incidents.due_messages, 10)
        wait_until(lambda: claimed.done() or bool(waiting_for_a_lock(database_url)))
        claiming.execute("commit")

        assert claimed.result(30) == []


@pytest.mark.database
def test_incident_that_is_seen_again_at_that_moment_is_not_forgotten(database_url: str) -> None:
    clock = FakeClock()
    incidents = PostgresIncidents(database_url, clock=clock.now)
    incidents.report(DOWN, [])
    incidents.resolve(DOWN.key, "It works.", [])
    clock.advance(days=400)
    with connect(database_url) as seeing:
        seeing.execute("begin")
        seeing.execute("select incident_id from alarm_incidents for update")

        assert incidents.forget(clock.at) == 0, "it waits for nobody"
        seeing.execute("commit")
    assert incidents.forget(clock.at) == 1


@pytest.mark.database
def test_many_are_forgotten_in_steps(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardops.adapters.postgresql.incidents.FORGOTTEN_AT_ONCE", 3)
    clock = FakeClock()
    incidents = PostgresIncidents(database_url, clock=clock.now)
    for number in range(8):
        incidents.report(replace(DOWN, key=f"run:{number}"), [])
        incidents.resolve(f"run:{number}", "It works.", [])
    clock.advance(days=1)

    assert incidents.forget(clock.at) == 8
    assert incidents.all(ALL, 10) == []


def test_clock_is_the_ledgers(ledger: Ledger) -> None:
    assert ledger.incidents.now() == ledger.clock.at


@pytest.mark.database
def test_database_has_a_clock_of_its_own(database_url: str) -> None:
    now = PostgresIncidents(database_url).now

    assert now() < now()
