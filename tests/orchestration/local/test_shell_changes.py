"""Commands of Dagster itself are in the audit trail, as the UI and our own commands are."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from cardops.bootstrap import Adapters
from cardops.ports import AuditTrail
from cardops.rules.audit import AuditResult, AuditUnavailableError
from cardops.settings import Settings
from orchestration.account import whoami
from orchestration.local import shell_changes
from orchestration.local.instance import open_instance
from orchestration.local.shell_changes import command_of
from tests.factories.own_homes import own_home
from tests.fakes.audit_trail import FakeAuditTrail

pytestmark = pytest.mark.dagster
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/venv/bin/dagster", "job", "backfill", "-j", "daily_close"], "dagster job backfill"),
        (["/venv/bin/dg", "launch", "--assets", "balances"], "dg launch"),
        (["/lib/dagster/__main__.py", "run", "delete", "abc"], "dagster run delete"),
        (["/lib/dagster/__main__.py", "api", "execute_run"], None),
        (["/venv/bin/dagster", "api", "grpc"], None),
        (["/venv/bin/dg", "dev"], None),
        (["/lib/dagster/_daemon/__main__.py", "run"], None),
        (["/venv/bin/dagster", "--version"], None),
        (["/venv/bin/cardops", "submit", "file.csv"], None),
        ([""], None),
    ],
)
def test_commands_are_told_from_the_processes_that_dagster_starts(
    arguments: list[str], command: str | None
) -> None:
    assert command_of(arguments) == command


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A home with an embedded server, which this process uses until the tests end."""
    with own_home() as found:
        yield found


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as opened:
        yield opened


def trail_of(settings: Settings) -> AuditTrail:
    return Adapters(settings).audit_trail


def a_run(instance: dg.DagsterInstance) -> str:
    tags = {"dagster/partition": "2026-01-01"}
    assets = frozenset({dg.AssetKey("balances")})
    run = dg.DagsterRun("daily_close", tags=tags, asset_selection=assets)
    return instance.add_run(run).run_id


@pytest.mark.database
@pytest.mark.usefixtures("settings")
def test_real_command_is_recorded_and_what_others_do_is_not(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    run_id = a_run(instance)
    assert trail_of(settings).latest(EARLIEST, 10) == []

    command = [sys.executable, "-m", "dagster", "run", "delete", run_id, "--force"]
    subprocess.run(command, check=True, capture_output=True, cwd=settings.home, timeout=120)

    assert instance.get_run_by_id(run_id) is None
    (record,) = trail_of(settings).latest(EARLIEST, 10)
    assert (record.entry.action, record.entry.subject) == ("delete run", f"run {run_id}")
    assert (record.entry.actor, record.result) == (whoami(), AuditResult.DONE)
    assert record.detail == "dagster run delete"


@pytest.mark.database
def test_launch_and_wipe_by_a_command_are_recorded(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = FakeAuditTrail()
    monkeypatch.setattr(shell_changes, "_trail", lambda: trail)
    monkeypatch.setattr(sys, "argv", ["/venv/bin/dg", "launch", "--assets", "balances"])

    run_id = a_run(instance)
    instance.wipe_assets([dg.AssetKey("balances")])

    launched, wiped = trail.records
    assert launched.entry.subject == "asset balances, partition 2026-01-01"
    assert launched.detail == f"dg launch: run {run_id}"
    assert (wiped.entry.action, wiped.entry.subject) == ("wipe asset", "asset balances")


@pytest.mark.database
def test_command_whose_entry_cannot_be_stored_changes_nothing(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = FakeAuditTrail(is_down=True)
    monkeypatch.setattr(shell_changes, "_trail", lambda: trail)
    monkeypatch.setattr(sys, "argv", ["/venv/bin/dagster", "job", "launch"])
    before = instance.get_runs_count()

    with pytest.raises(AuditUnavailableError, match="Nothing was changed"):
        a_run(instance)

    assert instance.get_runs_count() == before
