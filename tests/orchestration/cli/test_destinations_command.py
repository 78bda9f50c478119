"""`cardops destinations` with the real secrets, ledger, circuit breakers and SFTP server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pysequoia import Tsk
from typer.testing import CliRunner

from cardops.adapters.postgresql.breakers import PostgresBreakers
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.deliveries.breakers import Breaker
from cardops.rules.errors import ExplainedError
from cardops.settings import Settings
from orchestration.cli.checkup import Finding, findings
from orchestration.cli.commands.destinations import app
from tests.servers.file_servers import Server, card_companies, free_port

pytestmark = pytest.mark.database

STEPS = ["settings", "connect", "write", "read_back", "rename", "delete"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with card_companies(tmp_path_factory.mktemp("companies")) as server:
        yield server


@pytest.fixture(autouse=True)
def no_probe_left(server: Server) -> Iterator[None]:
    yield
    assert not list(server.inbox.iterdir()), "the probe is still there"


@pytest.fixture
def secrets(
    module_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FileSecretStore:
    monkeypatch.setenv("CARDOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CARDOPS_DATABASE_URL", module_database_url)
    return FileSecretStore(tmp_path / "home" / "secrets.json")


def cardops(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "s3cret" not in result.output
    return result.exit_code, json.loads(result.stdout)


def options(server: Server, tmp_path: Path, **changes: str) -> list[str]:
    """The options of `add` that describe this server."""
    password = tmp_path / "password"
    password.write_text(f"{changes.pop('password', str(server.secret['password']))}\n")
    parts = {
        "host": "127.0.0.1",
        "port": str(server.port),
        "user": "visa",
        "password-file": str(password),
        "host-key": str(server.secret["host_key"]),
        "folder": "/inbox",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return [word for name, value in parts.items() for word in (f"--{name}", value)]


def a_certificate(path: Path, *, validity_seconds: int = 3600) -> str:
    path.write_text(
        str(Tsk.generate("Visa", validity_seconds=validity_seconds).extract_certificate())
    )
    return str(path)


def row(listed: dict[str, Any], name: str) -> dict[str, Any]:
    return next(found for found in listed["data"] if found["name"] == name)


def test_added_destination_is_shown_without_secrets_and_works(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    certificate = a_certificate(tmp_path / "visa.asc")
    calendar = {"cut_off": "17:00", "zone": "America/New_York", "holidays": "US"}
    own = Tsk.generate("Us")
    (tmp_path / "us.key").write_bytes(bytes(own))
    keys = {"openpgp": certificate, "openpgp_key": str(tmp_path / "us.key")}
    code, added = cardops("add", "visa", *options(server, tmp_path, **keys, **calendar))

    assert (code, added["protocol"], added["authentication"]) == (0, "sftp", "password")
    assert added["host_key"].startswith("SHA256:")
    assert (added["cut_off"], added["time_zone"], added["holidays"]) == tuple(calendar.values())
    assert len(added["openpgp"]) == 40
    assert added["openpgp_key"] == own.extract_certificate().fingerprint.upper()
    code, tried = cardops("test", "visa")
    assert (code, tried["ok"], tried["problem"]) == (0, True, None)
    assert [step["step"] for step in tried["steps"]] == STEPS
    shown = row(cardops("list")[1], "visa")
    assert shown.items() >= added.items()
    assert shown["breaker"]["state"] == "closed"
    assert (shown["problem"], shown["undelivered"], shown["simulated"]) == (None, 0, False)


def test_change_keeps_the_parts_that_are_not_named(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    cardops("add", "visa", *options(server, tmp_path, cut_off="17:00"))
    stored = dict(secrets.get("destinations/visa") or {})
    secrets.put("destinations/visa", stored | {"column_map": {"arn": "ARN"}})
    cardops("add", "visa", "--replace", "--folder", "/elsewhere", "--cut-off", "")

    changed = dict(secrets.get("destinations/visa") or {})
    stored.pop("cut_off")
    assert changed == stored | {"folder": "/elsewhere", "column_map": {"arn": "ARN"}}


def test_host_key_is_taken_as_ssh_keyscan_prints_it(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    scanned = tmp_path / "scanned"
    scanned.write_text(f"# 127.0.0.1 SSH-2.0\n[127.0.0.1]:22 {server.secret['host_key']}\n")
    cardops("add", "visa", *options(server, tmp_path, host_key=str(scanned)))

    assert (secrets.get("destinations/visa") or {})["host_key"] == server.secret["host_key"]


def test_settings_are_read_from_a_file_that_names_the_protocol(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "visa.json"
    proof_of_concept = {"host": "x", "username": "u", "password": "s3cret", "port": "21"}
    file.write_text(json.dumps(proof_of_concept))
    with pytest.raises(ExplainedError, match='"protocol": "ftp"'):
        cardops("add", "visa", "--from", str(file))
    assert secrets.get("destinations/visa") is None

    file.write_text(json.dumps(proof_of_concept | {"protocol": "ftp"}))
    assert cardops("add", "visa", "--from", str(file))[1]["protocol"] == "ftp"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host_key": "ssh-ed25519 AAAA"}, "host key is not an OpenSSH public key"),
        ({"cut_off": "5 pm"}, "cut_off that is no time of day"),
        ({"zone": "New York"}, "no time zone 'New York'"),
        ({"holidays": "Neverland"}, "no holiday calendar 'Neverland'"),
        ({"password": " "}, "is empty"),
        ({"private_key": "/dev/null"}, "is empty"),
        ({"openpgp": "expired"}, "the certificate expired on"),
        ({"openpgp": "secret"}, "This is a secret OpenPGP key"),
    ],
)
def test_unusable_settings_are_refused_before_they_are_stored(
    secrets: FileSecretStore,
    server: Server,
    tmp_path: Path,
    changes: dict[str, str],
    message: str,
) -> None:
    if changes.get("openpgp") == "expired":
        key = Tsk.generate("Visa", validity_seconds=1).extract_certificate()
        expires = key.expiration
        assert expires is not None
        while datetime.now(UTC) <= expires:
            pass
        (tmp_path / "visa.asc").write_text(str(key))
        changes = {"openpgp": str(tmp_path / "visa.asc")}
    if changes.get("openpgp") == "secret":
        (tmp_path / "visa.asc").write_text(str(Tsk.generate("Visa")))
        changes = {"openpgp": str(tmp_path / "visa.asc")}
    with pytest.raises(ExplainedError, match=message):
        cardops("add", "visa", *options(server, tmp_path, **changes))
    assert secrets.get("destinations/visa") is None


def test_existing_destination_is_changed_only_on_request(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(ExplainedError, match="no settings that could be changed"):
        cardops("add", "visa", "--replace", "--folder", "/x")
    cardops("add", "visa", *options(server, tmp_path))
    with pytest.raises(ExplainedError, match="has settings already"):
        cardops("add", "visa", *options(server, tmp_path, folder="/x"))
    with pytest.raises(ExplainedError, match="cannot name a destination"):
        cardops("add", "../visa", *options(server, tmp_path))

    assert (secrets.get("destinations/visa") or {})["folder"] == "/inbox"


def test_simulated_destination_gives_way_to_an_operators(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    secrets.put("destinations/visa", server.secret)
    assert row(cardops("list")[1], "visa")["simulated"] is True

    cardops("add", "visa", *options(server, tmp_path))
    assert row(cardops("list")[1], "visa")["simulated"] is False


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password": "not this"}, ("connect", "rejected these credentials", "user and password")),
        ({"port": "1"}, ("connect", "cannot be reached", "firewall")),
        ({"folder": "/nowhere"}, ("write", "does not exist", "Check the folder")),
    ],
)
def test_failed_step_is_named_with_what_to_do(
    secrets: FileSecretStore,
    server: Server,
    tmp_path: Path,
    changes: dict[str, str],
    expected: tuple[str, str, str],
) -> None:
    cardops("add", "visa", *options(server, tmp_path, **changes))
    code, tried = cardops("test", "visa")

    step, message, advice = expected
    failed = [found for found in tried["steps"] if not found["ok"]]
    assert (code, tried["ok"], failed[0]["step"]) == (1, False, step)
    assert message in tried["problem"]
    assert advice in tried["advice"]


def test_destination_without_settings_cannot_be_tried(secrets: FileSecretStore) -> None:
    with pytest.raises(ExplainedError, match="`cardops destinations add visa` sets it up"):
        cardops("test", "visa")
    code, listed = cardops("list")
    assert code == 1
    assert "destinations/visa is missing" in row(listed, "visa")["problem"]


def test_open_breaker_is_listed_and_closed_by_a_successful_test(
    secrets: FileSecretStore, server: Server, tmp_path: Path, module_database_url: str
) -> None:
    cardops("add", "visa", *options(server, tmp_path))
    breakers, now = PostgresBreakers(module_database_url), datetime.now(UTC)
    breakers.change(
        "visa",
        lambda breaker: replace(
            breaker,
            failure_count=4,
            opened_at=now,
            retry_at=now + timedelta(hours=1),
            last_error="down",
        ),
    )
    code, listed = cardops("list")
    assert code == 1
    assert row(listed, "visa")["breaker"] == {
        "state": "open",
        "failures": 4,
        "opened_at": now.isoformat(),
        "retry_at": (now + timedelta(hours=1)).isoformat(),
        "refused_at": None,
        "last_error": "down",
    }
    text = CliRunner().invoke(app, ["list"]).stdout
    assert f"open: visa is paused since {now:%Y-%m-%d %H:%M} UTC after 4 failures in a row" in text
    finding = doctor()
    assert not finding.ok
    assert f"next try {now + timedelta(hours=1):%Y-%m-%d %H:%M} UTC: down" in finding.message
    assert "`cardops destinations test visa` tries now" in finding.message

    assert cardops("test", "visa")[0] == 0
    assert row(cardops("list")[1], "visa")["breaker"]["state"] == "closed"
    assert doctor().ok


def test_rejected_credentials_are_listed_until_new_ones_are_given(
    secrets: FileSecretStore, server: Server, tmp_path: Path, module_database_url: str
) -> None:
    cardops("add", "visa", *options(server, tmp_path))
    breakers, now = PostgresBreakers(module_database_url), datetime.now(UTC)
    breakers.change("visa", lambda _: Breaker().after_refusal(now, "wrong password"))

    assert doctor().message.startswith(
        f"visa: sessions have been refused since {now:%Y-%m-%d %H:%M} UTC, next try"
    )
    assert row(cardops("list")[1], "visa")["breaker"]["refused_at"] == now.isoformat()
    cardops("add", "visa", "--replace", *options(server, tmp_path))
    assert row(cardops("list")[1], "visa")["breaker"]["state"] == "half_open"

    cardops("test", "visa")
    assert doctor().ok


def doctor() -> Finding:
    """The finding of `cardops doctor` about deliveries."""
    return next(found for found in findings(Settings.load()) if found.part == "deliveries")


def test_closed_port_is_reported_by_its_text_too(
    secrets: FileSecretStore, server: Server, tmp_path: Path
) -> None:
    cardops("add", "visa", *options(server, tmp_path, port=str(free_port())))
    result = CliRunner().invoke(app, ["test", "visa"])

    assert result.exit_code == 1
    assert "FAILED  connect" in result.stdout
    assert "What to do: Check host, port and firewall" in result.stdout
