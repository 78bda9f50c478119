"""`cardops audit`: who changed what, and what became of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.audit import AuditRecord
from cardops.settings import Settings
from orchestration.cli.output import JsonOption, print_json

app = typer.Typer(no_args_is_help=True)
DAYS_SHOWN: Final = 30
MAX_LISTED: Final = 100_000


@app.callback()
def _audit() -> None:
    """List who changed what: in the Dagster UI, and by commands."""


@app.command("list")
def list_entries(
    *,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Only from this instant on (UTC); by default the last 30 days.",
        ),
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_LISTED, help="At most so many, the newest.")
    ] = 100,
    json_output: JsonOption = False,
) -> None:
    """List changes, newest first. One without a result ended before it could say what became of it."""
    adapters = Adapters(Settings.load())
    first = (
        since.replace(tzinfo=UTC)
        if since
        else adapters.database_clock.now() - timedelta(days=DAYS_SHOWN)
    )
    found = adapters.audit_trail.latest(first, limit, actor)
    if json_output:
        print_json({"data": [described(record) for record in found]})
        return
    for record in found:
        typer.echo(line(record))
    if not found:
        typer.echo("Nothing was changed by anybody since then.")


def described(record: AuditRecord) -> Mapping[str, Any]:
    """An entry for `--json`."""
    return {
        "id": record.entry_id,
        "at": record.at.isoformat(),
        "actor": record.entry.actor,
        "via": record.entry.via,
        "origin": record.entry.origin,
        "action": record.entry.action,
        "subject": record.entry.subject,
        "result": record.result,
        "detail": record.detail,
    }


def line(record: AuditRecord) -> str:
    """An entry for people."""
    entry = record.entry
    became = record.result or "not known"
    detail = f" ({record.detail})" if record.detail else ""
    who = entry.actor if entry.via in {"", entry.actor} else f"{entry.actor} via {entry.via}"
    return f"{record.at:%Y-%m-%d %H:%M:%S} UTC  {entry.origin}  {who}  {entry.action}: {entry.subject}  {became}{detail}"
