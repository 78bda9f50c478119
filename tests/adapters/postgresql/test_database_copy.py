"""A copy of a store whose tables refer to each other, and one program of it."""

import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.database_copy import copied_database, keep_one_program
from tests.oracles.ledger_totals import rows

pytestmark = pytest.mark.database

MAPPINGS = """
insert into file_mappings (program, kind, version, definition, set_by, why)
select program, 'deposits', 1, '{}', 'ops', 'a test' from programs
"""
ALARM = """
with incident as (
    insert into alarm_incidents (
        incident_key, subject, message, severity, state,
        first_seen_at, opened_at, last_seen_at, seen_count, opened_count
    )
    values ('k', 'a file was refused', 'm', 'error', 'open', now(), now(), now(), 1, 1)
    returning incident_id
)
insert into alarm_events (incident_id, at, event, note)
select incident_id, now(), 'opened', 'm' from incident
"""


def test_copy_keeps_rows_that_refer_to_one_program(database_url: str) -> None:
    with connect(database_url) as session:
        session.execute("insert into programs (program, currency) values ('other', 'USD')")
        session.execute(MAPPINGS)
    with copied_database(database_url) as copy_url:
        copied = rows(copy_url, "select program from file_mappings order by program")
        keep_one_program(copy_url, "other")
        kept = rows(
            copy_url, "select p.program from programs as p join file_mappings using (program)"
        )

    assert copied == rows(database_url, "select program from programs order by program")
    assert kept == [("other",)]


def test_copy_has_the_alarms_with_their_history(database_url: str) -> None:
    """The name of the table of events sorts before that of the incidents they belong to."""
    with connect(database_url) as session:
        session.execute(ALARM)
    history = "select subject, event from alarm_events join alarm_incidents using (incident_id)"
    with copied_database(database_url) as copy_url:
        copied = rows(copy_url, history)

    assert copied == [("a file was refused", "opened")]
