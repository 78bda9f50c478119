"""`cardops up`: everything of one home, until Ctrl-C."""

import fcntl
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import typer

from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.secrets import secret_store
from cardops.adapters.warehouse.dbt import ensure_manifest
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.rules.programs.api_keys import Scope
from cardops.settings import Settings
from orchestration.cli.commands.key import ensure_program
from orchestration.cli.output import CommandError, JsonOption, print_json, say
from orchestration.local.instance import prepare_instance
from orchestration.local.ports import HOST, choose_ports, write_ports
from orchestration.local.services import services
from orchestration.local.supervisor import Supervisor

DEMO_KEY: Final = "demo_key"

app = typer.Typer()


@app.command()
def up(*, json_output: JsonOption = False) -> None:
    """Run everything until Ctrl-C: UI with sensors, authorizer, the card companies' SFTP server."""
    settings = Settings.load()
    with _alone(settings.home), tempfile.TemporaryDirectory(prefix="cardops-") as sockets:
        started = time.monotonic()
        ports = choose_ports(settings)
        say("Starting the database, the UI, the authorizer and the SFTP server…")
        environment = dict(prepare_instance(settings))
        ensure_program(settings, DEFAULT_PROGRAM)
        key = demo_key(settings)
        ensure_manifest()
        write_ports(settings.home, ports)
        supervisor = Supervisor(settings.home, environment)
        try:
            _stop_on_signals()
            supervisor.start(services(settings.home, ports, Path(sockets)))
            told = addresses(settings.home, ports, key, time.monotonic() - started)
            _show(told, json_output=json_output)
            supervisor.wait()
        except KeyboardInterrupt:
            say("Stopping…")
        finally:
            _ignore_signals()
            supervisor.stop()
            (settings.home / "run" / "ports.json").unlink(missing_ok=True)


def demo_key(settings: Settings) -> str:
    """A test key of the default program, the same at every start until it is revoked."""
    store = secret_store(settings)
    programs = PostgresPrograms(connect_info(settings).url)
    kept = store.get(DEMO_KEY) or {}
    live = {one.key_id for one in programs.keys(DEFAULT_PROGRAM) if one.revoked_at is None}
    if kept.get("key_id") in live:
        return str(kept["key"])
    scopes = tuple(scope.value for scope in Scope)
    made = programs.create_key(DEFAULT_PROGRAM, "demo", scopes, is_test=True)
    store.put(DEMO_KEY, {"key_id": made.key_id, "key": made.key})
    return made.key


def addresses(home: Path, ports: Mapping[str, int], key: str, seconds: float) -> dict[str, Any]:
    """What a person or a program needs to go on."""
    return {
        "ui": f"http://{HOST}:{ports['ui']}",
        "authorizer": f"http://{HOST}:{ports['authorizer']}",
        "sftp": f"sftp://{HOST}:{ports['sftp']}",
        "incoming": str(home / "raw" / "incoming"),
        "key": key,
        "ports": dict(ports),
        "seconds": round(seconds, 1),
    }


def _show(told: Mapping[str, Any], *, json_output: bool) -> None:
    if json_output:
        print_json(told)
        sys.stdout.flush()
        return
    deposits = Path(told["incoming"]) / "deposits"
    request = '{"transaction_id": "txn_1", "user_id": "user_1", "amount": "5.00"}'
    say(
        f"""
Ready after {told["seconds"]} s.
  UI          {told["ui"]}
  authorizer  {told["authorizer"]}/docs
  SFTP        {told["sftp"]}
  demo key    {told["key"]}

Try:
  mkdir -p {deposits}; printf 'user_id,amount,deposit_id,timestamp\\nuser_1,25.00,dep_1,2026-01-01T00:00:00Z\\n' > {deposits}/first.csv
  curl -s {told["authorizer"]}/v1/users/user_1/credit -H 'Authorization: Bearer {told["key"]}'
  curl -s {told["authorizer"]}/v1/authorizations -H 'Authorization: Bearer {told["key"]}' -H 'Content-Type: application/json' -d '{request}'

Ctrl-C stops everything."""
    )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One `up` a home. Raises CommandError where there is one already."""
    path = home / "run" / "up.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"Cardops is up already for {home} (its ports are in run/ports.json); stop that "
                "one, or set CARDOPS_HOME to another place."
            ) from None
        yield


def _stop_on_signals() -> None:
    # SIGINT too: a shell without job control hands it on as one to be ignored.
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)


def _ignore_signals() -> None:
    """Stopping is not to be stopped half-way by an impatient second Ctrl-C."""
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, signal.SIG_IGN)
