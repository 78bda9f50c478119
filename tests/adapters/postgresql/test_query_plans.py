"""No statement of a request or a nightly run reads more of a growing table than it needs.

Every statement is planned by the server, in the session that sends it, over a history whose days all
have the same share of rows. What is read must not depend on how long the history is.
"""

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cardops.adapters.postgresql.connection import connect
from tests.factories.history import DAYS, fill_history
from tests.factories.statement_calls import call_close, call_everything
from tests.oracles.query_plans import Recorded, Recorder, Scan, record_statements

pytestmark = pytest.mark.database

ADAPTERS = Path(__file__).resolve().parents[3] / "cardops/adapters/postgresql"
ROWS = 20_000
# Three days of decisions, of forty: a day, and what neighbours of it share a page with.
MAX_ROWS = 1_500
# Events of two days, in all tables of them: the books' window from yesterday's first minute on is two
# days long shortly before midnight.
MAX_LOOPS = 4_500
# A row that is locked or updated costs a few blocks; an index that is read whole costs them for nothing.
MAX_BLOCKS = 200

# Tables that do not grow with history: with programs, partners, open work or days, at most.
NOT_GROWING = {
    "programs",
    "file_mappings",
    "callback_hosts",
    "network_route_changes",
    "destination_breakers",
    "acknowledgement_polls",
    "dispute_clock_changes",
    "dispute_policy_changes",
    "destination_layouts",
    "api_keys",
    "expected_files",
    "expected_files_reported",
    "safeguarding_accounts",
    "provisional_policies",
    "sender_keys",
    "spending_limits",
    "deposit_stagings",
    "schema_migrations",
    "exported_days",
    "reconciled_days",
    "callback_archives",
    "known_row_builds",
}
# What reads a table whole on purpose: a piece of its text -> its tables, and why.
READ_WHOLE = {
    # Every account has a closing balance; accounts grow with users, not with history.
    "select program, user_id, currency, available_minor, held_minor, ledger_seq from accounts": {
        "accounts"
    },
    # What people recorded by hand, of every dispute: the queue has an owner for each.
    "select distinct on (program, network, case_number, kind = 'assign')": {"dispute_records"},
    # Credits without an end, of all that a program gave: a night looks up each dispute as well.
    "select c.network, c.case_number from provisional_postings": {"provisional_postings"},
    # A full reconciliation, which an operator requests: everything against everything. The nightly
    # one names the date from which it reads.
    "'-infinity'::timestamptz": {
        "accounts",
        "callbacks",
        "decisions",
        "deposit_events",
        "deposit_recalls",
        "deposit_reinstatements",
        "holds",
        "intake_files",
        "movements",
        "provisional_postings",
        "voided_ids",
    },
    # Also of a full one only: limits, blocks and the record of their changes.
    "from limit_changes where coalesce(after, before) is not null": {"limit_changes", "users"},
    # The nightly one reads each account once.
    "full join open_holds using (program, user_id, currency)": {"accounts"},
}
# Modules whose statements are no part of a request or a nightly run.
NOT_OPERATION = {
    "damages.py": "in a copy, to prove the checks",
    "database_copy.py": "makes that copy, of a bounded size",
    "migrate.py": "once for each version",
    "read_only_query.py": "an operator's own query, with a timeout",
    "connection.py": "once for each database",
}
_STATEMENT = re.compile(r"\s*(select|insert into|update|delete from|with|where)\s", re.DOTALL)
# What stands for a value, or for a piece of text that is put in.
_HOLES = re.compile(r"\{[^{}]*\}|%%|\{\{|\}\}")


@pytest.fixture(scope="module")
def statements(module_database_url: str) -> list[Recorded]:
    """Every statement of every adapter, planned over a long history."""
    with connect(module_database_url) as session:
        fill_history(session, ROWS)
    with pytest.MonkeyPatch.context() as patch:
        recorder = record_statements(patch)
        asyncio.run(call_everything(module_database_url))
    return recorder.statements


def too_long(recorded: Recorded, scan: Scan) -> bool:
    """Whether the scan reads so much that it must depend on the length of the history."""
    if scan.table in NOT_GROWING or scan.table.startswith(("deposit_stage_", "pg_")):
        return False
    whole = {
        table
        for text, tables in READ_WHOLE.items()
        if text in _plain(recorded.text)
        for table in tables
    }
    if scan.table in whole:
        return False
    # A row or two looked up by key, as often as another scan found one: that scan is judged itself.
    if 1 < scan.loops <= MAX_LOOPS and scan.rows <= 2 * scan.loops:
        return scan.node == "Seq Scan" or scan.blocks > 8 * scan.loops
    return (
        scan.node == "Seq Scan"
        or scan.rows > MAX_ROWS
        or scan.blocks > max(MAX_BLOCKS, 8 * scan.rows)
    )


def test_no_statement_reads_a_growing_table_whole(statements: list[Recorded]) -> None:
    found = {
        f"{scan.node} of {scan.table}: {scan.rows} rows, {scan.blocks} blocks, {scan.loops} loops, "
        f"by {_plain(recorded.text)}"
        for recorded in statements
        for scan in recorded.scans
        if too_long(recorded, scan)
    }

    assert not found, "\n".join(sorted(found))


def test_close_of_a_day_reads_the_same_at_four_times_the_history(
    statements: list[Recorded], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(database_url) as session:
        fill_history(session, ROWS // 4, days=DAYS // 4)
    recorder = record_statements(monkeypatch)
    call_close(database_url)
    closing = {shape_of(recorded) for recorded in recorder.statements}
    longer = [recorded for recorded in statements if shape_of(recorded) in closing]
    after_a_quarter, after_all = rows_read(recorder.statements), rows_read(longer)

    assert after_a_quarter > ROWS // DAYS
    # `busy_dates` takes a step for each day that had an event; nothing else may grow.
    assert after_all < 1.25 * after_a_quarter


def test_every_statement_of_the_adapters_was_planned(statements: list[Recorded]) -> None:
    sent = "\n".join({_plain(recorded.text) for recorded in statements})
    missing = [
        f"{path.name}:{line}: {fragment[:80]}"
        for path in sorted(ADAPTERS.rglob("*.py"))
        if path.name not in NOT_OPERATION
        for line, fragment in fragments_of(path.read_text())
        if fragment not in sent
    ]

    assert not missing, "add a call to tests/factories/statement_calls.py of\n" + "\n".join(missing)


def test_statement_without_a_call_is_noticed() -> None:
    text = 'Q = "select lost from decisions where {column} = %s and a_column = 1"'

    assert list(fragments_of(text)) == [
        (1, "select lost from decisions where"),
        (1, "= %s and a_column = 1"),
    ]


def test_scan_of_a_growing_table_is_noticed(
    statements: list[Recorded], module_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder: Recorder = record_statements(monkeypatch)
    with psycopg.connect(module_database_url) as session:
        session.execute("select count(*) from decisions where key_id = 'x'")
        session.execute("select * from callbacks where callback_id > 'cb_' and is_probe")

    for recorded in recorder.statements:
        assert any(too_long(recorded, scan) for scan in recorded.scans), recorded


def rows_read(statements: list[Recorded]) -> int:
    """Rows read of tables that grow with history, by statements that do not read them on purpose."""
    return sum(
        scan.rows
        for recorded in statements
        if not any(text in _plain(recorded.text) for text in READ_WHOLE)
        for scan in recorded.scans
        if scan.table not in NOT_GROWING
    )


def shape_of(recorded: Recorded) -> str:
    """The statement without the values in it."""
    return re.sub(r"'[^']*'|[0-9]+", "?", _plain(recorded.text))


def fragments_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each piece of SQL in the literals of a module, without what is put in."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            documentation |= {id(part) for part in node.values}
            literal = "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            literal = node.value
        else:
            continue
        if id(node) in documentation or not _STATEMENT.match(literal):
            continue
        for fragment in _HOLES.split(literal):
            plain = _plain(fragment)
            if len(plain) > 12:
                yield node.lineno, plain


def _plain(text: str) -> str:
    """The text on one line, without comments."""
    return " ".join(re.sub(r"--.*", "", text).split())
