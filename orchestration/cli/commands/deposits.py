"""`cardops deposits`: recall a wrong or returned deposit file."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.money import format_amount
from cardops.services.accounts.recalls import DepositFileKey, Recall, RecallService
from cardops.settings import Settings
from orchestration.cli.limit_options import whoami
from orchestration.cli.output import JsonOption, print_json, say

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _deposits() -> None:
    """Recall a wrong or returned deposit file."""


@app.command()
def recall(
    file: Annotated[
        str, typer.Argument(help="The file itself, its key under incoming/, or its intake id.")
    ],
    *,
    program: Annotated[
        str | None,
        typer.Option(help="Program of the file, where several programs had the same one."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who requested the recall; by default you, on this machine.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Take back every deposit that a file credited; balances may go below zero.

    Each becomes a negative posting that records who requested it. Running it again adds nothing.
    """
    adapters = Adapters(Settings.load())
    service = RecallService(adapters.intake_ledger, adapters.deposit_ledger)
    recalled_by = by or whoami()
    result = _result(file, service.recall(file, _file_key(file, program), recalled_by), recalled_by)
    if json_output:
        print_json(result)
    else:
        say(_summary(result))


def _file_key(file: str, program: str | None) -> DepositFileKey:
    """A file is known by its content; anything else is an intake id or a key."""
    path = Path(file)
    if path.is_file():
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return DepositFileKey(content_sha256=digest, program=program)
    if file.isascii() and file.isdigit():
        return DepositFileKey(intake_id=int(file), program=program)
    return DepositFileKey(key=file, program=program)


def _result(file: str, recall: Recall, recalled_by: str) -> dict[str, Any]:
    return {
        "file": file,
        "program": recall.files[0].arrival.program,
        "intake_ids": [intake_file.intake_id for intake_file in recall.files],
        "recalled": recall.totals_minor,
        "recalled_by": recalled_by,
    }


def _summary(result: dict[str, Any]) -> str:
    sums = [
        f"{format_amount(minor, currency)} {currency}"
        for currency, minor in result["recalled"].items()
    ]
    return f"Recalled {result['file']}: {', '.join(sums) or 'nothing, it credited nothing'}."
