"""`cardops up`: everything of one home, until Ctrl-C."""

import shlex
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import typer

from cardops.bootstrap import Adapters, dbt_manifest
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.settings import Settings
from orchestration.cli.known_programs import administration, ensure_program
from orchestration.cli.output import CommandError, JsonOption, print_json, say
from orchestration.local.home_lock import only_process_of
from orchestration.local.instance import first_business_date, prepare_instance
from orchestration.local.ports import HOST, claimed_ports, write_ports
from orchestration.local.services import services
from orchestration.local.supervisor import StopRequest, Supervisor

app = typer.Typer()


@app.command()
def up(*, json_output: JsonOption = False) -> None:
    """Run the Dagster UI with its sensors, the authorizer, an SFTP server and dbt's docs until Ctrl-C."""
    settings = Settings.load()
    with (
        only_process_of(settings.home, "Cardops is already running, or a demo is,"),
        tempfile.TemporaryDirectory(prefix="cardops-") as sockets,
        claimed_ports(settings) as ports,
    ):
        started = time.monotonic()
        say("Starting PostgreSQL, the Dagster UI, the authorizer and the SFTP server …")
        environment = dict(prepare_instance(settings))
        adapters = Adapters(settings)
        ensure_program(adapters, DEFAULT_PROGRAM)
        key = administration(adapters).demo_key(DEFAULT_PROGRAM)
        # Before it nothing can be missing.
        environment["CARDOPS_PAGES_URL"] = settings.pages_url or f"http://{HOST}:{ports['pages']}"
        first = first_business_date(settings)
        require_begun(first, adapters.database_clock.now().date())
        environment["CARDOPS_FIRST_BUSINESS_DATE"] = first.isoformat()
        dbt_manifest()
        write_ports(settings.home, ports)
        stop_request = StopRequest()
        stop_request.listen()
        supervisor = Supervisor(settings.home, environment, stop_request)
        try:
            supervisor.start(services(settings.home, ports, Path(sockets)))
            if not stop_request():
                ready = addresses(settings.home, ports, key, time.monotonic() - started)
                _show(ready, json_output=json_output)
            supervisor.wait()
            say("Stopping …")
        finally:
            supervisor.stop()
            (settings.home / "run" / "ports.json").unlink(missing_ok=True)


def require_begun(first: date, today: date) -> None:
    """Raises CommandError where the first business date is still to come."""
    if first > today:
        raise CommandError(
            f"CARDOPS_FIRST_BUSINESS_DATE is {first}, and today is {today} (UTC): until then no date could be closed or "
            "shown. Set it to a date that has begun, or unset it."
        )


def addresses(home: Path, ports: Mapping[str, int], key: str, seconds: float) -> dict[str, Any]:
    """Addresses, demo key and the folder for input files."""
    read_only = (
        {"analyst_ui": f"http://{HOST}:{ports['analyst_ui']}/analysts"}
        if "analyst_ui" in ports
        else {}
    )
    return {
        "ui": f"http://{HOST}:{ports['ui']}",
        **read_only,
        "authorizer": f"http://{HOST}:{ports['authorizer']}",
        "sftp": f"sftp://{HOST}:{ports['sftp']}",
        "dbt_docs": f"http://{HOST}:{ports['dbt_docs']}",
        "pages": f"http://{HOST}:{ports['pages']}",
        "incoming": str(home / "raw" / "incoming"),
        "key": key,
        "ports": dict(ports),
        "seconds": round(seconds, 1),
    }


def _show(ready: Mapping[str, Any], *, json_output: bool) -> None:
    if json_output:
        print_json(ready)
        sys.stdout.flush()
        return
    # A home may have spaces in its path, and the line is to be copied.
    deposits = shlex.quote(str(Path(ready["incoming"]) / "deposits"))
    read_only = (
        f"\n  Analysts    {ready['analyst_ui']} (read-only)" if "analyst_ui" in ready else ""
    )
    request = '{"transaction_id": "txn_1", "user_id": "user_1", "amount": "5.00"}'
    say(
        f"""
Cardops is running (started in {ready["seconds"]} s).
  Dagster UI  {ready["ui"]}{read_only}
  Authorizer  {ready["authorizer"]}/docs
  SFTP        {ready["sftp"]}
  Pages       {ready["pages"]} (daily reports, quarantine, runbooks)
  dbt docs    {ready["dbt_docs"]} (the marts for analysts; built in the background)
  Demo key    {ready["key"]}

Try it in another terminal:
  mkdir -p {deposits}; printf 'user_id,amount,deposit_id,timestamp\\nuser_1,25.00,dep_1,2026-01-01T00:00:00Z\\n' > {deposits}/first.csv
  curl -s {ready["authorizer"]}/v1/users/user_1/credit -H 'Authorization: Bearer {ready["key"]}'
  curl -s {ready["authorizer"]}/v1/authorizations -H 'Authorization: Bearer {ready["key"]}' -H 'Content-Type: application/json' -d '{request}'

Press Ctrl-C to stop."""
    )
