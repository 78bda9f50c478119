"""`cardops alarms`: what is open, who sees to it, where alarms are sent; on a real database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cardops.bootstrap import Adapters
from cardops.rules.alarms.incidents import Severity
from cardops.rules.errors import ExplainedError
from cardops.settings import Settings
from orchestration.cli.commands import alarms
from tests.servers.file_servers import free_port

pytestmark = pytest.mark.database


@pytest.fixture
def adapters(database_url: str, tmp_path: Path) -> Iterator[Adapters]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARDOPS_HOME", str(tmp_path))
        patch.setenv("CARDOPS_DATABASE_URL", database_url)
        opened = Adapters(Settings.load())
        opened.notifier.notify(
            "Deliveries to visa are paused", "refused", runbook="docs/runbooks/chargeback-delivery.md",
            incident="delivery:visa",
        )  # fmt: skip
        opened.notifier.notify(
            "The books of 2026-11-20 disagree: 1 break", "ana: balances has 5.00 USD",
            runbook="docs/runbooks/reconciliation-breaks.md", incident="books:2026-11-20",
            severity=Severity.CRITICAL,
        )  # fmt: skip
        opened.notifier.notify("Deliveries to visa are paused", "refused", incident="delivery:visa")
        yield opened


def run(*words: str, exit_code: int = 0, stdin: str | None = None) -> str:
    done = CliRunner().invoke(alarms.app, [*words], input=stdin)
    if isinstance(done.exception, ExplainedError):
        return str(done.exception)
    assert done.exit_code == exit_code, done.output
    return done.stdout + done.stderr


def data(*words: str, **more: Any) -> Any:
    return json.loads(run(*words, "--json", **more))


def test_list_has_one_line_an_incident_the_worst_first(adapters: Adapters) -> None:
    head, first, second, _ = run("list").splitlines()

    assert head.split() == ["ID", "SEVERITY", "STATE", "AGE", "SEEN", "RUNBOOK", "ALARM"]
    assert "critical" in first
    assert "reconciliation-breaks.md" in first
    assert first.endswith("The books of 2026-11-20 disagree: 1 break")
    assert second.split()[4] == "2"
    assert [row["incident"] for row in data("list", "--severity", "error")["data"]] == [
        "delivery:visa"
    ]
    assert [row["count"] for row in data("list", "--about", "books:")["data"]] == [1]
    assert run("list", "--about", "run:").strip() == "There is no such alarm."


def test_acknowledged_alarm_says_by_whom_and_is_audited(adapters: Adapters) -> None:
    (row,) = data("list", "--about", "delivery:")["data"]

    data("ack", str(row["id"]), "--by", "ann", "--note", "called them")

    shown = data("show", str(row["id"]))
    assert (shown["state"], shown["acknowledged_by"], shown["note"]) == (
        "acknowledged", "ann", "called them",
    )  # fmt: skip
    assert [(entry["event"], entry["by"]) for entry in shown["history"]] == [
        ("opened", None),
        ("acknowledged", "ann"),
    ]
    assert data("list", "--state", "open")["data"][0]["incident"] == "books:2026-11-20"
    assert "acknowledged by ann" in run("show", str(row["id"]))


def test_resolved_alarm_is_told_and_leaves_the_list(adapters: Adapters) -> None:
    (row,) = data("list", "--about", "books:")["data"]

    run("resolve", str(row["id"]), "--why", "restored the row", "--by", "ben")

    assert [row["incident"] for row in data("list")["data"]] == ["delivery:visa"]
    (over,) = data("list", "--state", "resolved")["data"]
    assert (over["resolved_by"], over["resolution"]) == ("ben", "restored the row")
    lines = [
        json.loads(line)
        for line in (adapters.settings.home / "alarms.jsonl").read_text().splitlines()
    ]
    assert [line["event"] for line in lines] == ["opened", "opened", "resolved"]
    assert lines[-1]["message"] == "restored the row (ben)"
    assert "is resolved" in run("ack", str(row["id"]))
    shown = run("show", str(row["id"]))
    assert shown.splitlines()[-1].endswith("resolved by ben: restored the row")


def test_what_cannot_be_done_is_said(adapters: Adapters) -> None:
    assert "There is no alarm 999" in run("ack", "999")
    assert "--why is empty" in run("resolve", "1", "--why", " ")
    assert "--by is empty" in run("ack", "1", "--by", " ")
    assert "Standard input has no URL" in run("set-channel", "mail", stdin="nothing\n")
    assert "choose another" in run("set-channel", "file", stdin="json://x\n")
    assert "There is no channel mail" in run("set-channel", "mail", "--remove")


def test_channel_is_set_tested_and_removed_and_its_url_never_shown(adapters: Adapters) -> None:
    url = f"json://user:very-secret@127.0.0.1:{free_port()}/hook"
    printed = run("set-channel", "pager", "--escalated", stdin=f"{url}\n")
    tested = data("channels", "--test", exit_code=1)["data"]

    assert [(row["name"], row["hears_of"]) for row in tested] == [
        ("file", "everything"),
        ("pager", "escalations"),
    ]
    assert tested[0]["error"] is None
    assert "did not take the alarm" in tested[1]["error"]
    assert "very-secret" not in f"{printed}{tested}"
    run("set-channel", "pager", "--remove")
    assert [row["name"] for row in data("channels")["data"]] == ["file"]


def test_empty_list_says_so(database_url: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARDOPS_HOME", str(tmp_path))
        patch.setenv("CARDOPS_DATABASE_URL", database_url)

        assert run("list").strip() == "No alarm is open."
        assert data("list") == {"data": []}
