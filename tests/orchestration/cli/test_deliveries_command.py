"""`cardops deliveries` with the real ledger, store and SFTP server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.chargebacks.filed_batches import hold_rows
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from orchestration.cli.commands.deliveries import app
from orchestration.cli.output import CommandError
from tests.factories.batches import BUSINESS_DATE, an_arrival
from tests.factories.deliveries import a_made_file
from tests.factories.lake_tables import NOON
from tests.servers.file_servers import Server, card_companies

pytestmark = pytest.mark.database


@pytest.fixture
def ledger(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PostgresDeliveryLedger:
    monkeypatch.setenv("CARDOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CARDOPS_DATABASE_URL", database_url)
    return PostgresDeliveryLedger(database_url)


@pytest.fixture
def record(ledger: PostgresDeliveryLedger, tmp_path: Path) -> ChargebackFileRecord:
    folder = tmp_path / "home" / "processed"
    folder.mkdir(parents=True)
    return a_made_file(ledger, DirectoryStore(folder), "default-2026-11-20-1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with card_companies(tmp_path / "companies") as server:
        secrets = FileSecretStore(tmp_path / "home" / "secrets.json")
        secrets.put("destinations/visa", server.secret)
        yield server


def cardops(*arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def test_made_files_are_listed(record: ChargebackFileRecord) -> None:
    code, listed = cardops("list")

    assert code == 0
    assert listed["data"] == [
        {
            "batch": record.batch_id,
            "network": "visa",
            "program": "default",
            "destination": "visa",
            "sequence": record.sequence,
            "file": record.file_name,
            "rows": 3,
            "totals": {"USD": 7500},
            "sha256": record.content_sha256,
            "state": "made",
            "delivered": False,
            "verified": False,
            "remote_path": None,
            "attempts": 0,
            "last_error": None,
            "encrypted_sha256": None,
            "encrypted_for": None,
            "counts_on": None,
            "acknowledgement": None,
        }
    ]
    assert listed["waiting"] == []
    assert cardops("list", "--batch", "another")[1] == {"data": [], "waiting": []}


def test_list_for_people_has_totals_sequence_verified_hash_and_what_waits(
    ledger: PostgresDeliveryLedger, record: ChargebackFileRecord, database_url: str
) -> None:
    ledger.record(replace(record, state=DeliveryState.DELIVERED))
    names = ("default", record.batch_id, "amex", "c-9", "chargeback", "refunded_already")
    batch = PostgresIntakeLedger(database_url).claim_batch(
        [an_arrival()], BUSINESS_DATE, mode="by_network"
    )
    assert batch is not None
    held = WaitingDispute(RowKey(batch.files[0].intake_id, 1), *names, NOON)
    with psycopg.connect(database_url) as session:
        hold_rows(session, "default", record.batch_id, [held])
        session.execute("update waiting_disputes set waiting_since = %s", [NOON])
    text = CliRunner().invoke(app, ["list"]).stdout

    assert f"delivered  sequence {record.sequence}  3 rows  75.00 USD  " in text
    assert f"{record.content_sha256[:12]} verified" in text
    assert "not acknowledged" in text
    assert f"{record.batch_id}  amex  waits: 1 refunded_already since {NOON:%Y-%m-%d}" in text
    assert cardops("list", "--batch", record.batch_id)[1]["waiting"] == [
        {
            "batch": record.batch_id,
            "network": "amex",
            "reason": "refunded_already",
            "rows": 1,
            "since": NOON.isoformat(),
        }
    ]


@pytest.mark.parametrize("state", [DeliveryState.MADE, DeliveryState.FAILED])
def test_retry_delivers_a_failed_file(
    ledger: PostgresDeliveryLedger,
    record: ChargebackFileRecord,
    server: Server,
    state: DeliveryState,
) -> None:
    ledger.record(replace(record, state=state))
    code, shown = cardops("retry", record.batch_id, "visa")

    assert (code, shown["state"]) == (0, "delivered")
    assert (server.inbox / record.file_name).exists()


def test_unconfirmed_file_is_not_sent_without_an_operators_word(
    ledger: PostgresDeliveryLedger, record: ChargebackFileRecord, server: Server
) -> None:
    ledger.record(replace(record, state=DeliveryState.DELIVERED_UNCONFIRMED))
    with pytest.raises(CommandError, match="--received"):
        cardops("retry", record.batch_id, "visa")
    assert not list(server.inbox.iterdir())

    assert cardops("retry", record.batch_id, "visa", "--received")[1]["state"] == "delivered"
    assert not list(server.inbox.iterdir())


def test_unconfirmed_file_is_sent_on_an_operators_word(
    ledger: PostgresDeliveryLedger, record: ChargebackFileRecord, server: Server
) -> None:
    ledger.record(replace(record, state=DeliveryState.DELIVERED_UNCONFIRMED))

    assert cardops("retry", record.batch_id, "visa", "--send-again")[1]["state"] == "delivered"
    assert {path.name for path in server.inbox.iterdir()} == {
        record.file_name,
        f"{record.file_name}.ctl",
    }


def test_delivered_file_is_never_sent_again(
    ledger: PostgresDeliveryLedger, record: ChargebackFileRecord, server: Server
) -> None:
    ledger.record(replace(record, state=DeliveryState.DELIVERED))

    assert cardops("retry", record.batch_id, "visa", "--send-again")[0] == 0
    assert not list(server.inbox.iterdir())


def test_failed_retry_says_why_and_exits_1(record: ChargebackFileRecord) -> None:
    code, shown = cardops("retry", record.batch_id, "visa")

    assert (code, shown["state"]) == (1, "failed")
    assert "destinations/visa is missing" in str(shown["last_error"])
    assert cardops("list")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry", "none", "visa"],
        ["retry", "none", "jcb"],
        ["retry", "none", "visa", "--received", "--send-again"],
        ["list", "--state", "lost"],
    ],
)
def test_wrong_usage_is_one_sentence(ledger: PostgresDeliveryLedger, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        cardops(*arguments)


def test_command_never_loads_dagster() -> None:
    script = (
        "import sys, orchestration.cli.commands.deliveries; "
        "sys.exit(any(name.split('.')[0] == 'dagster' for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
