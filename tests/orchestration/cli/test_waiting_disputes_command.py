"""`cardops deliveries waiting|release|layout` and `program dispute-checks` with the real ledger."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.rules.chargebacks.filing import WaitingDispute
from cardops.rules.programs.programs import Program
from orchestration.cli.commands import deliveries, program
from orchestration.cli.output import CommandError
from orchestration.cli.waiting_disputes import held_by_one
from tests.factories.authorizations import NOON
from tests.factories.batches import a_sealed_batch
from tests.factories.chargebacks import a_chargeback

pytestmark = pytest.mark.database


def cardops(app: typer.Typer, *arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def test_waiting_rows_policies_and_layouts_are_shown_and_set(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("CARDOPS_HOME", str(home))
    monkeypatch.setenv("CARDOPS_DATABASE_URL", database_url)
    PostgresPrograms(database_url).create(Program("default"))
    (home / "lake").mkdir(parents=True)
    lake = ParquetLake(DirectoryStore(home / "lake"), tmp_path / "mirror")
    assert cardops(deliveries.app, "waiting") == (0, {"data": []})
    a_sealed_batch(PostgresIntakeLedger(database_url), lake, [a_chargeback()])

    code, waiting = cardops(deliveries.app, "waiting", "--program", "default")
    (row,) = waiting["data"]
    shown = (row["case_number"], row["reason"], row["dispute_amount"], row["reply_by"])
    assert (code, shown) == (1, ("CB-1", "files_not_made", 2500, "2026-12-20"))
    with pytest.raises(CommandError, match="No program holds a dispute CB-1"):
        cardops(deliveries.app, "release", "CB-1", "--why", "seen")

    _, checks = cardops(program.app, "dispute-checks", "default", "--check", "failed_payment=hold")
    assert checks["checks"] == {
        "refunded_already": "send",
        "duplicate_case": "send",
        "failed_payment": "hold",
    }
    with pytest.raises(CommandError, match="is no policy"):
        cardops(program.app, "dispute-checks", "default", "--check", "failed_payment=burn")

    path = tmp_path / "partner.json"
    names = ("case_number", "dispute_amount", "dispute_currency")
    path.write_text(json.dumps({"columns": [{"header": n, "column": n} for n in names]}))
    _, stored = cardops(deliveries.app, "layout", "set", "visa", str(path), "--why", "agreed")
    _, layouts = cardops(deliveries.app, "layout", "show", "visa")
    assert stored == {"program": "default", "destination": "visa", "version": 1}
    assert [(layout["version"], layout["why"]) for layout in layouts["data"]] == [(1, "agreed")]


def held(program: str, network: str = "visa") -> WaitingDispute:
    return WaitingDispute(
        (1, 1), program, "batch", network, "CB-1", "chargeback", "failed_payment", NOON
    )


def test_case_is_released_in_the_program_that_holds_it() -> None:
    """The list names the case, and whoever releases it at night does not know the program by heart."""
    one, other = held("acme"), held("beta", "amex")

    assert held_by_one([one], "CB-1", None, None) == [one]
    assert held_by_one([one, other], "CB-1", "amex", None) == [other]
    with pytest.raises(CommandError, match="CB-1 is held in acme and beta"):
        held_by_one([one, other], "CB-1", None, None)
    with pytest.raises(CommandError, match="acme holds no dispute CB-2"):
        held_by_one([one], "CB-2", None, "acme")
