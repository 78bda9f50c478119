"""`cardops disputes` over a real lake and store."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.chargebacks.filed_batches import hold_rows
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute
from cardops.rules.chargebacks.queue import DisputeRefusedError
from cardops.services.deliveries.members import processed_key
from orchestration.cli.commands.disputes import app
from orchestration.cli.output import CommandError
from tests.factories.deliveries import a_made_file
from tests.factories.lake_tables import rows_of
from tests.factories.real_days import today

pytestmark = pytest.mark.database
BATCH = "default-2026-11-20-1"
CASES = {"near": 3, "far": 12, "late": -2, "later": -9}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Path:
    """Four open disputes of one batch, and one that ended; the batch's file is made."""
    home = tmp_path_factory.mktemp("home")
    for role in ("lake", "processed"):
        (home / role).mkdir()
    rows = [
        {
            "case_number": case,
            "row_number": place,
            "reply_by_on": today() + timedelta(days=days),
            "clock": "feed",
            "batch_id": BATCH,
            "dispute_amount_minor": 500,
        }
        for place, (case, days) in enumerate(CASES.items())
    ]
    ended = {"case_number": "ended", "row_number": 9, "status": "lost"}
    lake = ParquetLake(DirectoryStore(home / "lake"), home / "mirror")
    lake.write("chargebacks", today(), "1", rows_of("chargebacks", *rows, ended))
    processed = DirectoryStore(home / "processed")
    made = a_made_file(PostgresDeliveryLedger(module_database_url), processed, BATCH)
    # One dispute is in it; the others were held back.
    processed.replace(processed_key(BATCH, made.file_name), b'"case_number"\r\n"far","x"\r\n')
    return home


@pytest.fixture(autouse=True)
def _settings(home: Path, module_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARDOPS_HOME", str(home))
    monkeypatch.setenv("CARDOPS_DATABASE_URL", module_database_url)


def cardops(*arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def cases(listed: dict[str, object]) -> Sequence[str]:
    rows = listed["data"]
    assert isinstance(rows, list)
    return [row["case_number"] for row in rows]


def test_list_has_the_nearest_first_and_overdue_ones_apart() -> None:
    code, listed = cardops("list")

    assert code == 0
    assert cases(listed) == ["near", "far", "late", "later"]
    assert {name: listed[name] for name in ("to_answer", "undated", "overdue", "more")} == {
        "to_answer": 2,
        "undated": 0,
        "overdue": 2,
        "more": 0,
    }
    rows = listed["data"]
    assert isinstance(rows, list)
    assert (
        rows[0].items()
        >= {
            "program": "default",
            "network": "visa",
            "case_number": "near",
            "stage": "chargeback",
            "status": "open",
            "dispute_amount": 500,
            "currency": "USD",
            "reply_by": str(today() + timedelta(days=3)),
            "clock": "feed",
            "days_left": 3,
            "owner": None,
        }.items()
    )


def test_list_is_limited_to_what_is_asked() -> None:
    assert cases(cardops("list", "--due-within", "7")[1]) == ["near"]
    assert cases(cardops("list", "--overdue")[1]) == ["late", "later"]
    cut = cardops("list", "--limit", "1")[1]
    assert (cases(cut), cut["more"]) == (["near", "late"], 2)


def test_list_for_people_says_how_many_more_there_are() -> None:
    shown = CliRunner().invoke(app, ["list", "--limit", "1", "--program", "default"]).stdout

    assert "To answer: 2\n" in shown
    assert "1 more, all further away; `cardops disputes list --program default --limit 0`" in shown
    assert shown.index("near") < shown.index("Overdue: 2") < shown.index("late")


def test_dispute_is_assigned_noted_and_shown() -> None:
    assert cardops("assign", "far", "--to", "bea", "--by", "ann")[1]["changed"] is True
    assert cardops("assign", "far", "--to", "bea", "--by", "ann")[1]["changed"] is False
    assert cardops("note", "far", "receipt asked for", "--by", "bea")[1]["number"] == 2
    code, shown = cardops("show", "far")

    assert code == 0
    assert (shown["owner"], shown["days_left"], shown["outcome"]) == ("bea", 12, "open")
    records, files, steps = shown["records"], shown["files"], shown["steps"]
    assert isinstance(records, list)
    assert [(record["kind"], record["by"]) for record in records] == [
        ("assign", "ann"),
        ("note", "bea"),
    ]
    assert isinstance(files, list)
    assert [(file["batch"], file["state"]) for file in files] == [(BATCH, "made")]
    assert isinstance(steps, list)
    assert [(step["stage"], step["clock"]) for step in steps] == [("chargeback", "feed")]
    assert cases(cardops("list", "--owner", "bea")[1]) == ["far"]
    page = CliRunner().invoke(app, ["show", "far"]).stdout
    assert "5.00 USD" in page
    assert "12 days left" in page
    assert "bea  receipt asked for" in page.replace("note: ", "")


def test_file_of_the_batch_is_shown_where_the_dispute_is_in_it() -> None:
    assert cardops("show", "near")[1]["files"] == []
    assert "In no file yet." in CliRunner().invoke(app, ["show", "near"]).stdout


def test_page_of_a_dispute_is_one_file(tmp_path: Path) -> None:
    page = tmp_path / "far.html"
    code, shown = cardops("show", "far", "--html", str(page))
    text = page.read_text()

    assert (code, shown["case_number"]) == (0, "far")
    assert "Open at the stage chargeback, 12 days left to answer" in text
    assert "SHA-256" in text
    result = CliRunner().invoke(app, ["show", "far", "--html", str(page)])
    assert result.stdout == f"{page}\n"
    with pytest.raises(CommandError, match="name a file in a folder that exists"):
        cardops("show", "far", "--html", str(tmp_path / "none" / "far.html"))


def test_held_row_is_shown_with_the_check_that_holds_it(module_database_url: str) -> None:
    names = ("default", BATCH, "visa", "late", "chargeback", "refunded_already")
    held = WaitingDispute(RowKey(1, 0), *names, datetime.now(UTC))
    with psycopg.connect(module_database_url) as session:
        hold_rows(session, "default", BATCH, [held])
    (wait,) = cardops("show", "late")[1]["waits"]
    lines = CliRunner().invoke(app, ["show", "late"]).stdout

    assert (wait["reason"], wait["released_to"]) == ("refunded_already", None)
    assert "waits: refunded_already since" in lines


def test_closed_dispute_comes_back_when_reopened() -> None:
    cardops("close", "later", "--why", "answered in the portal")
    assert cases(cardops("list", "--overdue")[1]) == ["late"]
    cardops("reopen", "later", "--why", "it was not")

    assert cases(cardops("list", "--overdue")[1]) == ["late", "later"]


def test_refusals_are_sentences() -> None:
    with pytest.raises(DisputeRefusedError, match="has ended"):
        cardops("accept", "ended", "--why", "too late")
    for words, sentence in (
        (("assign", "far"), "either --to NAME or --nobody"),
        (("list", "--stage", "appeal"), "--stage must be one of"),
        (("list", "--due-within", "-1"), "--due-within must be"),
    ):
        with pytest.raises(CommandError, match=sentence):
            cardops(*words)


def test_evidence_is_shown_added_and_removed(tmp_path: Path) -> None:
    code, shown = cardops("evidence", "near")
    assert (code, shown["complete"], shown["days_left"]) == (1, False, 3)
    missing = shown["missing"]

    path = tmp_path / "answer.pdf"
    path.write_bytes(b"%PDF-1.7 answer")
    add = ("evidence", "add", "near", "--item", "receipt", "--file", str(path), "--by", "ann")
    added = [cardops(*add)[1] for _ in range(2)]
    assert [found["changed"] for found in added] == [True, False]
    digest = str(added[0]["sha256"])
    assert (home_store() / "evidence" / digest[:2] / digest).read_bytes() == path.read_bytes()

    evidence = cardops("show", "near")[1]["evidence"]
    assert isinstance(evidence, dict)
    assert evidence["missing"] == [name for name in missing if name != "receipt"]  # type: ignore[attr-defined]
    shown_text = CliRunner().invoke(app, ["show", "near"]).stdout
    assert "Evidence: missing transaction_details; 1 file; not sent" in shown_text

    remove = ("evidence", "remove", "near", "--item", "receipt", "--why", "wrong case")
    assert cardops(*remove, "--sha256", digest[:12])[1]["removed"]
    assert cardops("evidence", "show", "near")[1]["missing"] == missing


def home_store() -> Path:
    return Path(os.environ["CARDOPS_HOME"]) / "processed"
