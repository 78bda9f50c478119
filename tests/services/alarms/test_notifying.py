"""Alarms are recorded with their messages, sent, and never lost: real PostgreSQL, channels that fail."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import psycopg
import pytest

from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.ports import Incidents
from cardops.rules.alarms.incidents import (
    AlarmPolicy,
    Incident,
    IncidentEvent,
    IncidentState,
    Severity,
)
from cardops.rules.alarms.messages import CLAIMED_FOR
from cardops.services.alarms.notifying import IncidentNotifier
from tests.fakes.alarm_channels import FakeChannel, FakeChannels, down
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.database
ROOT = Path(__file__).resolve().parents[3]
ALL = frozenset(IncidentState)


@dataclass
class World:
    """One instance with a file, an e-mail server, and a manager who hears of escalations alone."""

    url: str
    clock: FakeClock
    ledger: Incidents
    file: FakeChannel
    mail: FakeChannel
    manager: FakeChannel
    notifier: IncidentNotifier

    def fail(self, message: str = "refused", severity: Severity = Severity.ERROR) -> None:
        self.notifier.notify(
            "Delivery to visa: refused",
            message,
            runbook="r.md",
            incident="delivery:visa",
            severity=severity,
        )

    @property
    def incident(self) -> Incident:
        (record,) = self.ledger.all(ALL, 100)
        return record.incident


@pytest.fixture
def world(database_url: str) -> World:
    clock = FakeClock()
    ledger = PostgresIncidents(database_url, AlarmPolicy(timedelta(minutes=60)), clock.now)
    file, mail = FakeChannel("file"), FakeChannel("mail")
    manager = FakeChannel("manager", is_for_escalations=True)
    notifier = IncidentNotifier(lambda: ledger, FakeChannels([file, mail, manager]), clock)
    return World(database_url, clock, ledger, file, mail, manager, notifier)


def test_incident_seen_a_hundred_times_is_told_once(world: World) -> None:
    for number in range(100):
        world.fail(f"refused, try {number}")
        world.clock.advance(seconds=1)

    assert world.file.subjects == world.mail.subjects == ["Delivery to visa: refused"]
    assert world.manager.sent == []
    assert (world.incident.seen_count, world.incident.message) == (100, "refused, try 99")


def test_incident_is_told_again_when_it_escalates_and_ends(world: World) -> None:
    world.fail()
    world.clock.advance(minutes=61)
    world.notifier.turn()
    world.notifier.turn()
    world.notifier.resolve("delivery:visa", "A file was delivered.")
    world.notifier.resolve("delivery:visa", "A file was delivered.")

    assert [message.event for message in world.mail.sent] == ["opened", "escalated", "resolved"]
    assert world.manager.subjects == [
        "Nobody has acknowledged: Delivery to visa: refused",
        "Resolved: Delivery to visa: refused",
    ]
    assert world.mail.sent[-1].message == "A file was delivered."
    record = world.ledger.find(world.incident.incident_id)
    assert record is not None
    assert [entry.event for entry in record.history] == ["opened", "escalated", "resolved"]


def test_acknowledged_incident_is_quiet_until_it_comes_back(world: World) -> None:
    world.fail()
    world.ledger.acknowledge(world.incident.incident_id, "ann", "called them")
    world.clock.advance(hours=5)
    world.fail()
    world.notifier.turn()
    assert len(world.mail.sent) == 1
    assert (world.incident.acknowledged_by, world.incident.note) == ("ann", "called them")

    world.notifier.resolve("delivery:visa", "works")
    world.clock.advance(hours=1)
    world.fail()

    assert world.incident.state is IncidentState.OPEN
    assert world.mail.sent[-1].event is IncidentEvent.REOPENED


def test_failing_channel_stops_neither_work_nor_others_and_is_tried_again(world: World) -> None:
    world.mail.error = down("connection refused")
    world.fail()
    assert world.file.subjects == ["Delivery to visa: refused"]
    (record,) = world.ledger.all(ALL, 100)
    assert [(unsent.channel, unsent.last_error) for unsent in record.unsent] == [
        ("mail", "connection refused")
    ]

    world.clock.advance(minutes=2)
    assert world.notifier.turn().failed == 1
    world.mail.error = None
    assert world.notifier.turn().sent == 0, "it waits for its pause"
    world.clock.advance(minutes=5)

    assert world.notifier.turn().sent == 1
    assert world.mail.subjects == ["Delivery to visa: refused"]
    assert world.notifier.turn().sent == 0


def test_channel_that_fails_already_keeps_nobody_waiting(world: World) -> None:
    world.mail.error = RuntimeError("hangs for seconds, with its password")
    world.fail()
    world.mail.error = None

    world.notifier.notify("Another", "alarm")

    assert world.mail.sent == []
    assert len(world.file.sent) == 2
    world.clock.advance(minutes=2)
    world.notifier.turn()
    assert sorted(world.mail.subjects) == ["Another", "Delivery to visa: refused"]


def test_error_of_a_channel_is_stored_without_its_text(world: World) -> None:
    world.mail.error = RuntimeError("https://user:secret-password@host failed")

    world.fail()

    (record,) = world.ledger.all(ALL, 100)
    assert record.unsent[0].last_error == "It failed with RuntimeError."


def test_alarm_is_told_while_the_database_is_down(world: World) -> None:
    def gone() -> Incidents:
        raise psycopg.OperationalError("no connection")

    notifier = IncidentNotifier(gone, FakeChannels([world.file, world.mail]), world.clock)

    notifier.notify("The database cannot be reached", "no connection", incident="database")
    notifier.notify("The database cannot be reached", "no connection", incident="database")
    notifier.resolve("other", "nothing happens")
    notifier.resolve_except("o", (), "nothing happens")

    assert world.file.subjects == world.mail.subjects == ["The database cannot be reached"]


def test_incidents_that_are_not_named_any_more_are_resolved(world: World) -> None:
    for key in ("late-file:a", "late-file:b", "late-files", "run:a"):
        world.notifier.notify(key, "late", incident=key)

    world.notifier.resolve_except("late-file:", {"late-file:b"}, "It has arrived.")

    assert world.ledger.open_keys("") == ["late-file:b", "late-files", "run:a"]


@pytest.mark.parametrize(
    "name",
    ["my  folder/", "4111111111111111/", "x" * 400, "é" * 299 + "/", "a\tb\nc/"],
    ids=["spaces", "card-number", "long", "accents", "control"],
)
def test_incident_of_any_name_stays_open_and_ends(world: World, name: str) -> None:
    """Folders and files are named by their senders."""
    key, other = f"misplaced-files:{name}", f"misplaced-files:{name}2"
    for incident in (key, other):
        world.notifier.notify("Files are not taken", "x", incident=incident)

    world.notifier.resolve_except("misplaced-files:", {key, other}, "The files are gone.")
    assert len(world.ledger.open_keys("misplaced-files:")) == 2
    world.notifier.resolve_except("misplaced-files:", {other}, "The files are gone.")
    assert len(world.ledger.open_keys("misplaced-files:")) == 1
    world.notifier.resolve(other, "The files are gone.")
    assert world.ledger.open_keys("") == []


def test_worse_incident_is_told_at_once(world: World) -> None:
    world.fail()
    world.fail(severity=Severity.CRITICAL)

    assert world.mail.subjects[-1] == "Worse: Delivery to visa: refused"


def test_racing_processes_make_one_incident_and_tell_it_once(world: World) -> None:
    barrier = Barrier(8)

    def see() -> None:
        ledger = PostgresIncidents(world.url)
        notifier = IncidentNotifier(lambda: ledger, FakeChannels([world.mail]), world.clock)
        barrier.wait()
        for _ in range(5):
            notifier.notify("Delivery to visa: refused", "refused", incident="delivery:visa")

    threads = [Thread(target=see) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert world.mail.subjects == ["Delivery to visa: refused"]
    assert world.incident.seen_count == 40


def test_racing_turns_send_each_message_once(world: World) -> None:
    world.mail.error = down()
    for number in range(20):
        world.notifier.notify(f"Alarm {number}", "text")
    world.mail.error = None
    world.clock.advance(minutes=30)
    barrier = Barrier(4)

    def turn() -> None:
        barrier.wait()
        world.notifier.turn()

    threads = [Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(world.mail.subjects) == sorted(f"Alarm {number}" for number in range(20))


def test_alarm_of_a_process_killed_before_sending_is_sent_by_another(world: World) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.servers.killed_notifier", world.url], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    world.clock.at = world.ledger.all(ALL, 1)[0].incident.opened_at

    assert world.notifier.turn().sent == 0, "its sender may still be at it"
    world.clock.advance(seconds=CLAIMED_FOR.total_seconds() + 1)
    world.notifier.turn()

    assert world.file.subjects == ["Deposits stand still"]


def test_message_to_a_removed_channel_is_said_to_be_unsent(world: World) -> None:
    world.mail.error = down()
    world.fail()
    without = IncidentNotifier(lambda: world.ledger, FakeChannels([world.file]), world.clock)
    world.clock.advance(minutes=3)

    assert without.turn().failed == 1

    (record,) = world.ledger.all(ALL, 100)
    assert "no channel mail" in str(record.unsent[0].last_error)
