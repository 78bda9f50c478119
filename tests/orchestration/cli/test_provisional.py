"""`cardops program provisional` and `cardops provisional`, on a database and a lake of files."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cardops.bootstrap import Adapters
from cardops.rules.errors import ExplainedError
from cardops.settings import Settings
from orchestration.cli.commands import program, provisional
from tests.factories.disputed_purchases import DisputeDesk
from tests.factories.real_days import today

pytestmark = pytest.mark.database


def disputed_on() -> date:
    """So long ago that a credit is due, and that the statement of the purchase is not."""
    return today() - timedelta(days=20)


@pytest.fixture(scope="module")
def settings(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARDOPS_HOME", str(home))
        patch.setenv("CARDOPS_DATABASE_URL", module_database_url)
        yield Settings(home=home, database_url=module_database_url)


@pytest.fixture(scope="module")
def desk(settings: Settings) -> DisputeDesk:
    """Two disputes since the policy, one of a transaction that nobody knows."""
    desk = DisputeDesk(str(settings.database_url), "acme", Adapters(settings).lake)
    desk.has_deposit("ana", 100_00)
    desk.buys("ana", "t-1", 40_00, on=disputed_on() - timedelta(days=3))
    desk.told("c-1", "t-1", 40_00, on=disputed_on())
    desk.told("c-2", "t-9", 5_00, on=disputed_on())
    return desk


def run(app: typer.Typer, *words: str, exit_code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == exit_code, done.output
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_policy_is_set_shown_and_followed_to_its_end(desk: DisputeDesk, settings: Settings) -> None:
    shown = run(program.app, "provisional", "acme", "--policy", "regulation_e", "--since",
                str(disputed_on()), "--withhold", "50.00", "--by", "ana")  # fmt: skip
    assert [(item["name"], item["notice_days"]) for item in shown["data"]] == [("regulation_e", 2)]
    sources = [clock["source"] for clock in shown["clocks"]["regulation_e"]]
    assert sources[1].startswith("12 CFR 1005.11(c)(2)(i)")

    listed = run(provisional.app, "list", "--program", "acme")
    assert [(row["case_number"], row["kind"], row["amount"], row["is_due"])
            for row in listed["due"]] == [("c-1", "provisional_credit", 40_00, True)]  # fmt: skip
    assert [
        (row["case_number"], row["reason"], row["is_overdue"]) for row in listed["waiting"]
    ] == [("c-2", "transaction_unknown", True)]
    posted = run(provisional.app, "post")
    assert [(row["user_id"], row["outcome"], row["available"]) for row in posted["posted"]] == [
        ("ana", "posted", 100_00)
    ]
    assert run(provisional.app, "post")["posted"] == []

    listed = run(provisional.app, "list")
    assert [row["amount"] for row in listed["standing"]] == [40_00]
    assert [row["kind"] for row in listed["notices"]] == ["credit"]
    desk.spends("ana", "t-2", 90_00)
    desk.told("c-1", "t-1", 40_00, on=today() - timedelta(days=9), status="won")
    sent_on = str(today() - timedelta(days=8))
    run(provisional.app, "notice", "c-1", "--program", "acme", "--network", "visa", "--kind",
        "taking_back", "--sent-on", sent_on)  # fmt: skip

    posted = run(provisional.app, "post", exit_code=1)

    assert [row["available"] for row in posted["posted"]] == [-30_00]
    assert [row["available"] for row in run(provisional.app, "list")["in_debt"]] == [-30_00]
    alarms = (settings.home / "alarms.jsonl").read_text().splitlines()
    assert json.loads(alarms[-1])["subject"].startswith("1 balance(s) below zero")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--withhold", "50.01", "--policy", "regulation_e"], "at most 50.00 USD"),
        (["--notice-days", "1", "--policy", "regulation_e"], "from 2 to 30 business days"),
        (["--credit-days", "3", "--policy", "none"], "gives nothing back"),
        (["--credit-days", "3"], "Name the policy"),
        (["--policy", "regulation_e", "--withhold", "free"], "is no amount of USD"),
    ],
)
def test_impossible_policy_is_refused(desk: DisputeDesk, words: list[str], sentence: str) -> None:
    done = CliRunner().invoke(program.app, ["provisional", desk.program, *words])

    assert isinstance(done.exception, ExplainedError)
    assert sentence in str(done.exception)


@pytest.mark.parametrize(
    ("case", "sent_on", "sentence"),
    [
        ("c-9", str(date(2026, 11, 1)), "has no dispute visa/c-9"),
        ("c-1", str(date(2099, 1, 1)), "has not come"),
    ],
)
def test_impossible_notice_is_refused(
    desk: DisputeDesk, case: str, sent_on: str, sentence: str
) -> None:
    words = ["notice", case, "--program", desk.program, "--network", "visa", "--kind", "credit"]
    done = CliRunner().invoke(provisional.app, [*words, "--sent-on", sent_on])

    assert isinstance(done.exception, ExplainedError)
    assert sentence in str(done.exception)


def test_waiting_credit_is_decided_by_a_person(desk: DisputeDesk) -> None:
    desk.has_deposit("bea", 10_00)
    desk.buys("bea", "t-3", 6_00, on=disputed_on() - timedelta(days=3))
    desk.told("c-3", "t-3", 6_00, on=disputed_on(), stage="inquiry")
    dispute = ["c-3", "--program", "acme", "--network", "visa", "--by", "ben", "--why", "seen"]

    until = str(today() + timedelta(days=1))
    deferred = run(provisional.app, "defer", *dispute, "--until", until)
    waiting = [row for row in run(provisional.app, "list")["waiting"] if row["reason"] == "inquiry"]
    approved = run(provisional.app, "approve", *dispute, "--amount", "5.00")
    again = CliRunner().invoke(provisional.app, ["approve", *dispute])

    assert (deferred["decision"]["until"], deferred["posted"]) == (until, [])
    assert [row["decision"]["number"] for row in waiting] == [1]
    assert [(row["amount"], row["outcome"]) for row in approved["posted"]] == [(5_00, "posted")]
    assert "was approved before by ben" in again.stdout
    refused = CliRunner().invoke(provisional.app, ["reject", *dispute])
    assert "Nothing about this dispute waits" in str(refused.exception)
    unknown = CliRunner().invoke(provisional.app, ["list", "--program", "acm"])
    assert isinstance(unknown.exception, ExplainedError)


def test_lists_are_readable_without_json(desk: DisputeDesk, tmp_path: Path) -> None:
    assert "transaction_unknown" in CliRunner().invoke(provisional.app, ["list"]).stdout
    shown = CliRunner().invoke(program.app, ["provisional", desk.program]).stdout
    assert "12 CFR 1005.11" in shown
