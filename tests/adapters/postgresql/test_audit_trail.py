"""The audit trail, on the fake and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from cardops.adapters.postgresql.audit_trail import PostgresAuditTrail
from cardops.ports import AuditTrail
from cardops.rules.audit import (
    MAX_SUBJECT_CHARACTERS,
    AuditEntry,
    AuditResult,
    AuditUnavailableError,
    Origin,
)
from tests.fakes.audit_trail import FakeAuditTrail

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def trail(request: pytest.FixtureRequest) -> AuditTrail:
    if request.param == "fake":
        return FakeAuditTrail()
    return PostgresAuditTrail(request.getfixturevalue("database_url"))


def an_entry(actor: str = "ann", subject: str = "user_1") -> AuditEntry:
    return AuditEntry(Origin.COMMAND, actor, "root@host", "block user", subject)


def test_entries_are_listed_newest_first_with_what_became_of_them(trail: AuditTrail) -> None:
    first, second = trail.begin(an_entry()), trail.begin(an_entry("bob"))
    trail.finish(second, AuditResult.REFUSED, "no such user")

    found = trail.latest(LONG_AGO, 10)

    assert [record.entry_id for record in found] == [second, first]
    assert [(record.entry.actor, record.result, record.detail) for record in found] == [
        ("bob", AuditResult.REFUSED, "no such user"),
        ("ann", None, ""),
    ]
    assert abs(found[0].at - datetime.now(UTC)) < timedelta(minutes=5)


def test_list_is_cut_by_person_time_and_length(trail: AuditTrail) -> None:
    for actor in ("ann", "bob", "ann", "ann"):
        trail.begin(an_entry(actor))

    assert len(trail.latest(LONG_AGO, 10, "ann")) == 3
    assert len(trail.latest(LONG_AGO, 2, "ann")) == 2
    assert trail.latest(LONG_AGO, 10, "an") == []
    assert trail.latest(datetime.now(UTC) + timedelta(hours=1), 10) == []


def test_result_is_never_changed(trail: AuditTrail) -> None:
    entry_id = trail.begin(an_entry())
    trail.finish(entry_id, AuditResult.DONE)
    trail.finish(entry_id, AuditResult.FAILED, "later")

    assert [record.result for record in trail.latest(LONG_AGO, 10)] == [AuditResult.DONE]


@pytest.mark.database
def test_text_of_any_kind_is_stored_and_cut(database_url: str) -> None:
    trail = PostgresAuditTrail(database_url)
    trail.begin(an_entry(subject="nul \0, half \ud800 and " + "x" * 10_000))

    (record,) = trail.latest(LONG_AGO, 10)

    assert record.entry.subject.startswith("nul , half ? and xxx")
    assert len(record.entry.subject) == MAX_SUBJECT_CHARACTERS


@pytest.mark.database
def test_entry_that_cannot_be_stored_refuses_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardops.adapters.postgresql.transactions.MAX_ATTEMPTS", 1)

    with pytest.raises(AuditUnavailableError, match='Nothing was changed: "block user"'):
        PostgresAuditTrail(NOWHERE).begin(an_entry())
