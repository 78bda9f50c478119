"""Alarms that a person may not have got, as the daily report lists them."""

from datetime import date, timedelta

from cardops.rules.alarms.incidents import Notice
from cardops.rules.chargebacks.alarms import AlarmLevel, DeadlineAlarm
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.monitoring import MonitoringAlarm
from cardops.rules.chargebacks.queue import Opening
from cardops.services.reports.open_alarms import (
    LISTED_FOR,
    NOT_CONFIRMED,
    STILL_TRUE,
    AlarmSources,
    OpenAlarm,
)
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.disputes import FakeDisputeAlarms
from tests.fakes.incidents import FakeIncidents
from tests.fakes.monitoring import FakeMonitoringAlarms


class Ledgers:
    """The fakes behind one reading; an hour passes between raising and reading."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.disputes = FakeDisputeAlarms(self.clock)
        self.monitoring = FakeMonitoringAlarms(self.clock)
        self.breakers = FakeBreakers()

    def read(self) -> list[OpenAlarm]:
        return [*AlarmSources(self.disputes, self.monitoring, self.breakers).read(self.clock.now())]


def a_deadline(case: str, day: date) -> DeadlineAlarm:
    opening = Opening(DisputeKey("default", "visa", case), "chargeback", 1)
    return DeadlineAlarm(opening, day, AlarmLevel.DUE_IN_3)


def test_only_alarms_that_were_not_confirmed_are_listed() -> None:
    ledgers = Ledgers()
    today = ledgers.clock.now().date()
    month = today.replace(day=1)
    deadlines = [a_deadline(case, today + timedelta(days=3)) for case in ("lost", "told")]
    merchants = [
        MonitoringAlarm("default", name, "visa_vamp", month, is_reached=name == "lost")
        for name in ("lost", "told")
    ]
    ledgers.disputes.claim(deadlines)
    ledgers.monitoring.claim(merchants)
    assert ledgers.read() == []  # their process may still be at it

    ledgers.disputes.confirm(deadlines[1:])
    ledgers.monitoring.confirm(merchants[1:])
    ledgers.clock.advance(hours=1)

    deadline, merchant = ledgers.read()
    assert (deadline.state, deadline.runbook) == (NOT_CONFIRMED, "dispute-deadlines.md")
    assert deadline.about == (
        f"Dispute lost (visa, chargeback) is to be answered by {deadlines[0].reply_by_on}: due_in_3"
    )
    assert (merchant.state, merchant.runbook) == (NOT_CONFIRMED, "monitoring-programmes.md")
    assert merchant.about == f"Merchant lost reached the line of visa_vamp in {month:%Y-%m}"


def test_alarm_that_nobody_got_is_listed_until_a_week_after_its_date() -> None:
    ledgers = Ledgers()
    today = ledgers.clock.now().date()
    ledgers.disputes.claim([a_deadline("c1", today)])
    ledgers.monitoring.claim(
        [MonitoringAlarm("default", "m1", "visa_vamp", today.replace(day=1), is_reached=False)]
    )

    ledgers.clock.advance(days=LISTED_FOR.days)
    assert len(ledgers.read()) == 2
    ledgers.clock.advance(days=1)
    assert [alarm.runbook for alarm in ledgers.read()] == ["monitoring-programmes.md"]
    ledgers.clock.advance(days=31)
    assert ledgers.read() == []


def test_paused_card_company_is_still_true_until_it_answers() -> None:
    ledgers = Ledgers()
    now = ledgers.clock.now()
    ledgers.breakers.change(
        "amex", lambda found: found.after_refusal(now, "No password 4111111111111111.")
    )

    (paused,) = ledgers.read()
    assert (paused.state, paused.runbook) == (STILL_TRUE, "chargeback-delivery.md")
    assert paused.about.startswith("amex: sessions have been refused since")
    assert "4111111111111111" not in paused.about

    ledgers.breakers.change("amex", lambda found: found.after_success(now))
    assert ledgers.read() == []


def test_incidents_are_listed_until_they_are_resolved() -> None:
    ledgers, incidents = Ledgers(), FakeIncidents()
    for key, subject in (
        ("books:2026-11-20", "The books of 2026-11-20 disagree: 1 break"),
        ("refused-file:a.csv", "a.csv was refused"),
        ("delivery:visa", "Deliveries to visa are paused"),
        ("run:x:-", "over"),
    ):
        incidents.report(Notice(key, subject, "", "docs/runbooks/quarantine.md"), [])
    incidents.acknowledge(2, "ann", None)
    incidents.resolve("run:x:-", "a run succeeded", [])

    sources = AlarmSources(ledgers.disputes, ledgers.monitoring, ledgers.breakers, incidents)
    found = sources.read(ledgers.clock.now())

    assert sorted(alarm.about for alarm in found) == [
        (
            "The books of 2026-11-20 disagree: 1 break, since 2026-11-20 12:00 UTC; nobody has "
            "acknowledged it: `cardops alarms ack 1`"
        ),
        "a.csv was refused, since 2026-11-20 12:00 UTC; ann sees to it",
    ]
    assert {(alarm.state, alarm.runbook) for alarm in found} == {(STILL_TRUE, "quarantine.md")}
