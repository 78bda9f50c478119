"""`cardops deposits recall`, on a real file that `cardops submit` ingested."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.postgresql.connection import connect
from tests.factories.console import Console, a_home
from tests.factories.samples import write

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(300)]

DEPOSITS = """\
user_id,amount,deposit_id,timestamp,currency
u1,25.00,d1,2026-03-01T00:00:00Z,USD
u1,10.50,d2,2026-03-01T00:00:01Z,USD
u2,500,d3,2026-03-01T00:00:02Z,JPY
"""


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        yield console


@pytest.fixture(scope="module")
def credited(console: Console) -> Path:
    """A credited file; user u1 has spent 30.00 USD of it since."""
    file = write(console.home.parent / "deposits.csv", DEPOSITS)
    assert console.response("submit", str(file), "--kind", "deposits")["accepted"] == 3
    query(
        console,
        "insert into decisions (program, transaction_id, authorization_id, question_hash, user_id,"
        " currency, amount_minor, is_capture, status, reason_code, remaining_minor, ledger_seq,"
        " answer, decided_at) values ('default', 't1', 'a1', '\\x00', 'u1', 'USD', 3000, true,"
        " 'PERMIT', 'sufficient_credit', 550, 3, '{}', now())",
        "update accounts set available_minor = available_minor - 3000, ledger_seq = 3"
        " where user_id = 'u1'",
    )
    return file


@pytest.fixture(scope="module")
def recalled(console: Console, credited: Path) -> Any:
    return console.response("deposits", "recall", str(credited), "--by", "ops")


def query(console: Console, *statements: str) -> list[tuple[Any, ...]]:
    server = EmbeddedServer(console.home)
    server.join()
    try:
        with connect(server.url("cardops")) as session:
            session.execute("set search_path to cardops")
            cursors = [session.execute(statement) for statement in statements]
            return cursors[-1].fetchall() if cursors[-1].description else []
    finally:
        server.leave()


def balances(console: Console) -> dict[str, int]:
    rows = query(console, "select user_id, available_minor from accounts")
    return {str(user): int(minor) for user, minor in rows}


def test_recall_takes_credit_back_even_below_zero(console: Console, recalled: Any) -> None:
    assert list(recalled) == ["file", "program", "intake_ids", "recalled", "recalled_by"]
    assert recalled["recalled"] == {"JPY": 500, "USD": 3550}
    assert balances(console) == {"u1": -3000, "u2": 0}


def test_each_recalled_deposit_has_a_posting_with_its_requester(
    console: Console, recalled: Any
) -> None:
    rows = query(
        console,
        "select deposit_id, amount_minor, recalled_by from deposit_recalls order by deposit_id",
    )

    assert rows == [("d1", 2500, "ops"), ("d2", 1050, "ops"), ("d3", 500, "ops")]
    assert recalled["recalled_by"] == "ops"


def test_recall_leaves_no_break(console: Console, recalled: Any) -> None:
    result = console.response("reconcile")

    assert result["breaks"] == 0
    assert result["balances"] == {"JPY": 0, "USD": -3000}
    assert recalled


def test_repeated_recall_adds_nothing_and_prints_the_same(
    console: Console, credited: Path, recalled: Any
) -> None:
    (number,) = recalled["intake_ids"]

    by_file = console.response("deposits", "recall", str(credited), "--by", "ops")
    by_number = console.response("deposits", "recall", str(number), "--by", "somebody")

    assert by_file == recalled
    assert by_number["recalled"] == recalled["recalled"]
    assert balances(console) == {"u1": -3000, "u2": 0}
    assert query(console, "select distinct recalled_by from deposit_recalls") == [("ops",)]


def test_recall_of_an_uncredited_file_is_one_sentence(console: Console, recalled: Any) -> None:
    stranger = write(console.home.parent / "stranger.csv", DEPOSITS.replace("d1", "x1"))

    done = console.run("deposits", "recall", str(stranger))

    assert (done.returncode, done.stdout) == (2, "")
    assert "was ever credited, so nothing was recalled" in done.stderr
    assert recalled


def test_submitting_a_recalled_file_says_so_and_exits_2(
    console: Console, credited: Path, recalled: Any
) -> None:
    response = console.response("submit", str(credited), "--kind", "deposits", code=2)

    (number,) = recalled["intake_ids"]
    assert (response["status"], response["accepted"], response["duplicate"]) == ("recalled", 0, 0)
    assert f"cardops deposits reinstate {number}" in response["error"]
    assert balances(console) == {"u1": -3000, "u2": 0}


def test_reinstated_file_is_credited_and_leaves_no_break(
    console: Console, credited: Path, recalled: Any
) -> None:
    done = console.response(
        "deposits", "reinstate", str(credited), "--by", "boss", "--why", "a mistake"
    )

    assert done["intake_ids"] == recalled["intake_ids"]
    assert done["reinstated"] == {"JPY": 500, "USD": 3550}
    assert [file["status"] for file in done["files"]] == ["applied"]
    assert balances(console) == {"u1": 550, "u2": 500}
    assert console.response("reconcile")["breaks"] == 0
    audit = "select requested_by, reason from reinstatement_requests"
    assert query(console, audit) == [("boss", "a mistake")]


def test_file_above_its_cap_is_credited_after_an_approval(console: Console) -> None:
    console.response("program", "create", "acme")
    console.response("program", "controls", "acme", "--cap", "USD=20.00", "--by", "ops")
    file = write(console.home.parent / "large.csv", DEPOSITS)
    name = ("--program", "acme", "--kind", "deposits")
    console.response("deposits", "control", str(file), "--program", "acme")

    held = console.response("submit", str(file), *name, "--by", "anna", code=1)
    listed = console.response("deposits", "list", "--held", "--program", "acme", code=1)["data"]
    decide = ("deposits", "approve", str(file), "--program", "acme", "--why", "seen")
    own = console.run(*decide, "--by", "anna")
    approved = console.response(*decide, "--by", "ben")

    assert (held["status"], held["held_for"], held["accepted"]) == ("held", "approval", 0)
    assert [entry["totals"] for entry in listed] == [{"JPY": 500, "USD": 3550}]
    assert (own.returncode, "somebody else must approve it" in own.stderr) == (2, True)
    assert (approved["status"], approved["accepted"]) == ("applied", 3)
    assert approved["approved_by"] == "ben"
    assert console.response("deposits", "list", "--held")["data"] == []


def test_wrong_control_file_refuses_a_submitted_file(console: Console) -> None:
    file = write(console.home.parent / "controlled.csv", DEPOSITS.replace("d1", "d9"))
    write(console.home.parent / "controlled.csv.ctl.json", '{"rows": 4}')

    refused = console.response("submit", str(file), "--kind", "deposits", code=2)

    assert refused["status"] == "refused"
    assert "4 rows are stated and 3 were read" in refused["error"]
