"""When an incident is told: once when it opens, then when it matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.alarms.incidents import (
    QUIET,
    REMIND_EVERY,
    AlarmPolicy,
    Incident,
    IncidentEvent,
    IncidentState,
    Notice,
    Severity,
    acknowledged,
    due_event,
    look_at,
    notice_of,
    resolved,
    sighted,
    told,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = AlarmPolicy(timedelta(minutes=60))
DOWN = Notice("delivery:visa", "Delivery to visa: refused", "refused", "r.md")


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def opened(notice: Notice = DOWN) -> Incident:
    incident = sighted(None, notice, NOON)
    assert due_event(incident, NOON, POLICY) is IncidentEvent.OPENED
    return told(incident, IncidentEvent.OPENED, NOON)


def test_repeated_sighting_updates_and_tells_nothing() -> None:
    again = sighted(opened(), replace(DOWN, message="still refused"), after(3))

    assert due_event(again, after(3), POLICY) is None
    assert (again.seen_count, again.message) == (2, "still refused")
    assert (again.first_seen_at, again.last_seen_at) == (NOON, after(3))


def test_unacknowledged_incident_escalates_once_then_daily() -> None:
    incident = opened()

    assert due_event(incident, after(59), POLICY) is None
    assert look_at(incident, POLICY) == after(60)
    assert due_event(incident, after(60), POLICY) is IncidentEvent.ESCALATED
    louder = told(incident, IncidentEvent.ESCALATED, after(60))
    assert due_event(louder, after(61), POLICY) is None
    assert look_at(louder, POLICY) == after(60) + REMIND_EVERY


def test_money_at_risk_escalates_after_a_quarter_of_the_time() -> None:
    incident = opened(replace(DOWN, severity=Severity.CRITICAL))

    assert due_event(incident, after(15), POLICY) is IncidentEvent.ESCALATED


def test_warning_never_escalates() -> None:
    incident = opened(replace(DOWN, severity=Severity.WARNING))

    assert due_event(incident, after(100_000), POLICY) is None
    assert look_at(incident, POLICY) is None


def test_acknowledged_incident_does_not_escalate() -> None:
    incident = acknowledged(opened(), "ann", "on it", after(5))

    assert due_event(incident, after(600), POLICY) is None
    assert look_at(incident, POLICY) is None
    assert sighted(incident, DOWN, after(6)).state is IncidentState.ACKNOWLEDGED


def test_worse_incident_needs_another_acknowledgement() -> None:
    incident = acknowledged(opened(), "ann", None, after(1))

    worse = sighted(incident, replace(DOWN, severity=Severity.CRITICAL), after(2))

    assert worse.state is IncidentState.OPEN
    assert worse.acknowledged_by is None
    assert due_event(worse, after(2), POLICY) is IncidentEvent.WORSENED


def test_changed_subject_is_told_after_the_pause() -> None:
    other = sighted(opened(), replace(DOWN, subject="Delivery to visa: login refused"), after(1))

    assert due_event(other, after(1), POLICY) is None
    assert look_at(other, POLICY) == NOON + QUIET
    assert due_event(other, NOON + QUIET, POLICY) is IncidentEvent.CHANGED


def test_end_is_told_once_and_return_opens_it_again() -> None:
    over = resolved(acknowledged(opened(), "ann", None, after(1)), None, "works", after(20))
    assert due_event(over, after(20), POLICY) is IncidentEvent.RESOLVED
    over = told(over, IncidentEvent.RESOLVED, after(20))
    assert due_event(over, after(90), POLICY) is None

    back = sighted(over, DOWN, after(90))

    assert (back.state, back.opened_count, back.acknowledged_by) == (IncidentState.OPEN, 2, None)
    assert back.resolved_at is None
    assert due_event(back, after(90), POLICY) is IncidentEvent.REOPENED


def test_incident_that_comes_and_goes_is_told_twice_in_ten_minutes() -> None:
    """A port that opens and closes every minute: one message that it is there, one that it is over."""
    incident, events = opened(), []
    for minute in range(1, 10):
        change = resolved(incident, None, "works", after(minute)) if minute % 2 else None
        incident = change or sighted(incident, DOWN, after(minute))
        event = due_event(incident, after(minute), POLICY)
        if event:
            incident = told(incident, event, after(minute))
            events.append(event)

    assert events == [IncidentEvent.RESOLVED]


def test_incident_that_came_back_and_is_told_late_escalates_from_then_on() -> None:
    over = told(resolved(opened(), None, "over", after(1)), IncidentEvent.RESOLVED, after(1))
    back = sighted(over, DOWN, after(2))  # within the quiet time: nobody is told yet
    assert due_event(back, after(2), POLICY) is None

    assert due_event(back, after(65), POLICY) is IncidentEvent.REOPENED
    late = told(back, IncidentEvent.REOPENED, after(65))

    assert due_event(late, after(65), POLICY) is None
    assert look_at(late, POLICY) == after(125)


def test_card_number_and_line_break_are_not_told() -> None:
    notice = notice_of(
        "File of\n4111111111111111", "card 4111111111111111\x00", runbook=None, incident=None,
        severity=Severity.ERROR,
    )  # fmt: skip

    assert "4111111111111111" not in f"{notice.key}{notice.subject}{notice.message}"
    assert "\n" not in notice.subject
    assert "\x00" not in notice.message


def stepped(incident: Incident, step: str, now: datetime) -> Incident:
    sightings = {
        "see": DOWN,
        "worse": replace(DOWN, severity=Severity.CRITICAL),
        "other": replace(DOWN, subject="other"),
    }
    if step in sightings:
        return sighted(incident, sightings[step], now)
    if step == "wait" or incident.state is IncidentState.RESOLVED:
        return incident
    if step == "ack":
        return acknowledged(incident, "ann", None, now)
    return resolved(incident, None, "over", now)


@given(
    st.lists(
        st.tuples(st.sampled_from(["see", "worse", "other", "ack", "end", "wait"]),
                  st.integers(0, 90)),
        max_size=30,
    )
)  # fmt: skip
def test_whoever_looks_later_tells_what_was_not_told(steps: list[tuple[str, int]]) -> None:
    """A look when `look_at` says, and the channels know how the incident stands; nothing is told twice."""
    incident, now = opened(), NOON
    for step, minutes in steps:
        now += timedelta(minutes=minutes)
        incident = stepped(incident, step, now)
        if event := due_event(incident, now, POLICY):
            incident = told(incident, event, now)
            assert due_event(incident, now, POLICY) is None
    # Nobody sees it again: within the day of the last reminder it has been told as it stands.
    for _ in range(3):
        look = look_at(incident, POLICY)
        if look is not None:
            now = max(now, look)
            event = due_event(incident, now, POLICY)
            assert event is not None, "it was to be looked at, and nothing was due"
            incident = told(incident, event, now)
    is_over = incident.state is IncidentState.RESOLVED
    assert (incident.told_event is IncidentEvent.RESOLVED) == is_over
    assert is_over or incident.told_subject == incident.subject
    assert is_over or incident.told_severity is not None
