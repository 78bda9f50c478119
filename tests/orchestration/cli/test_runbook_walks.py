"""Runbooks whose commands end an alarm: the situation is made, the commands are run as the page has them.

Commands are read from the page, with the values of the test in place of its examples: a page that is
changed is tried as it says. docs/runbooks/README.md says how the other pages were tried.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.rules.errors import ExplainedError
from cardops.settings import Settings
from orchestration.cli.main import app
from orchestration.composition import expected_files_of
from tests.factories.deposit_desk import DepositDesk, a_line
from tests.factories.documents import DOCS
from tests.fakes.clock import FakeClock
from tests.oracles.ledger_totals import rows
from tests.servers.file_servers import free_port

pytestmark = pytest.mark.database


@dataclass
class Night:
    """One instance, and an operator with a runbook."""

    desk: DepositDesk
    home: Path
    adapters: Adapters

    def do(self, page: str, beginning: str, values: dict[str, str] | None = None) -> str:
        """Run the page's command that begins so, with these words in place of the page's; what it printed."""
        return self.run(*words(page, beginning, values or {}))

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        done = CliRunner().invoke(app, [*arguments], input=stdin)
        if isinstance(done.exception, ExplainedError):
            return str(done.exception)
        assert done.exit_code in {0, 1}, done.output
        return done.stdout + done.stderr

    def open(self, prefix: str) -> list[dict[str, Any]]:
        """Alarms that `cardops alarms list` shows."""
        listed: list[dict[str, Any]] = json.loads(
            self.run("alarms", "list", "--about", prefix, "--json")
        )["data"]
        return listed


def words(page: str, beginning: str, values: dict[str, str]) -> list[str]:
    """The command of a runbook. Raises AssertionError where the page has none that begins so."""
    text = (DOCS / "runbooks" / page).read_text()
    found = [" ".join(code.split()) for code in re.findall(r"`cardops (.+?)`", text, re.DOTALL)]
    matching = [
        command
        for command in found
        if command.startswith(beginning) and all(example in command for example in values)
    ]
    assert matching, f"{page} has no `cardops {beginning} …` with {[*values]}: {found}"
    command = matching[0]
    for example, value in values.items():
        command = command.replace(example, value)
    return shlex.split(command)


@pytest.fixture(scope="module")
def night(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARDOPS_HOME", str(home))
        patch.setenv("CARDOPS_DATABASE_URL", module_database_url)
        yield Night(DepositDesk(module_database_url, home), home, Adapters(Settings.load()))


def test_late_file_is_waived(night: Night) -> None:
    # At midnight: of today the file was due before the calendar was there, at whatever hour this runs.
    night.run("calendar", "add", "bank-morning", "--program", "default", "--kind", "deposits",
              "--due", "00:00", "--pattern", "bank-*.csv")  # fmt: skip
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    service = replace(
        expected_files_of(night.adapters), clock=FakeClock(tomorrow.replace(hour=23, minute=0))
    )
    service.report(night.adapters.notifier)
    (alarm,) = night.open("late-file:")
    assert alarm["subject"] == "File bank-morning is late"
    assert alarm["runbook"] == "docs/runbooks/late-file.md"
    day = str(tomorrow.date())

    night.do("late-file.md", "calendar due", {"2026-11-23": day})
    night.do("late-file.md", "calendar waive", {"acme": "default", "2026-11-23": day, "TEXT": "'none is to come'"})  # fmt: skip
    service.report(night.adapters.notifier)

    assert night.open("late-file:") == []
    assert "waived" in night.do("late-file.md", "calendar due", {"2026-11-23": day})
    night.do("late-file.md", "calendar remove", {"acme": "default"})
    assert "No file is due on that date" in night.run("calendar", "due", "--date", "2999-01-01")


def test_held_file_is_rejected(night: Night) -> None:
    night.desk.cap(1_00)
    file = night.desk.submit(a_line("h-1", "500.00"), by="tom")
    night.desk.held_files.report(night.adapters.notifier)
    (alarm,) = night.open("held-file:")
    assert alarm["runbook"] == "docs/runbooks/held-file.md"
    number = alarm["incident"].removeprefix("held-file:")
    assert number in file["error"]

    assert "500.00 USD" in night.do("held-file.md", "deposits list --held")
    night.do("held-file.md", "deposits reject", {"17": number, "NAME": "boss", "TEXT": "'not ours'"})  # fmt: skip
    night.desk.held_files.report(night.adapters.notifier)

    assert night.open("held-file:") == []
    assert night.do("held-file.md", "deposits list --held").strip() == "No deposit file is held."
    night.desk.cap(1_000_000_00)


def test_channel_that_does_not_take_alarms_is_found_and_corrected(night: Night) -> None:
    wrong = f"json://127.0.0.1:{free_port()}/hook"
    night.run("alarms", "set-channel", "ops-mail", stdin=f"{wrong}\n")
    adapters = Adapters(Settings.load())
    adapters.notifier.notify("Deposits stand still", "x", incident="stand-still")

    assert "[not sent to ops-mail]" in night.do("alarms-not-sent.md", "alarms list")
    (alarm,) = night.open("stand-still")
    shown = night.do("alarms-not-sent.md", "alarms show", {"12": str(alarm["id"])})
    assert "Not sent to ops-mail (opened, 1 tries)" in shown
    assert "did not take the alarm" in night.do("alarms-not-sent.md", "alarms channels --test")
    night.do("alarms-not-sent.md", "alarms set-channel ops-mail --remove")
    assert "ops-mail" not in night.do("alarms-not-sent.md", "alarms channels --test")

    adapters.notifier.resolve("stand-still", "over")


def test_recall_leaves_a_debt_whose_posting_is_found(night: Night) -> None:
    night.desk.submit(a_line("r-1", "10.00", "mia"))
    night.desk.submit(a_line("r-2", "5.00", "mia"))
    with connect(night.desk.url) as session:
        ((number,),) = session.execute(
            "select intake_id from deposit_credits where deposit_id = 'r-1'"
        ).fetchall()
    night.do("deposit-recall.md", "deposits recall", {"17": str(number)})
    shown = night.do("negative-balance.md", "sql --live", {"program = '…'": "program = 'default'", "user_id = '…'": "user_id = 'mia'"})  # fmt: skip
    assert "recall" in shown
    balance = "select available_minor from accounts where user_id = 'mia'"
    assert rows(night.desk.url, balance) == [(5_00,)]

    blocked = night.do(
        "negative-balance.md", "user block", {"USER": "mia", "--program P": "--program default"}
    )
    assert blocked == "User mia of program default is now blocked.\n"


def test_leaked_key_is_replaced_and_revoked(night: Night) -> None:
    values = {"--program P": "--program default"}
    created = night.do("key-leaked.md", "key create", {**values, "--name N": "--name leaked"})
    (leaked,) = re.findall(r"cpk_live_(\w+?)_", created)
    night.do("key-leaked.md", "key create", {**values, "--name N": "--name new"})
    assert leaked in night.do("key-leaked.md", "key list", values)

    night.do("key-leaked.md", "key revoke", {"<id>": leaked})

    listed = night.do("key-leaked.md", "key list", values).splitlines()
    assert [leaked in line for line in listed if "revoked" in line] == [True]
    night.do("key-leaked.md", "sql --live", {"<id>": leaked})


def test_database_that_is_down_is_named_by_doctor(night: Night) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARDOPS_DATABASE_URL", f"postgresql://x:pass-word@127.0.0.1:{free_port()}/x")
        said = night.do("database-unavailable.md", "doctor")

    assert "FIX  database" in said
    assert "cannot be reached" in said
    assert "pass-word" not in said


def test_alarms_that_end_by_no_event_are_ended_as_their_runbook_says() -> None:
    """Whoever followed the page to its end is not to look for the alarm's."""
    lines = [line.split("|") for line in (DOCS / "alarms.md").read_text().splitlines()]
    by_hand = {
        cells[1].strip(): page
        for cells in lines
        if len(cells) == 6 and re.search(r"(^|: )no(:|$)", cells[3].strip())
        for page in re.findall(r"runbooks/([\w-]+\.md)", cells[4])
    }
    assert len(by_hand) >= 6
    for key, page in by_hand.items():
        assert words(page, "alarms resolve", {}), key
