"""`cardops deposits`: taking a wrong or returned deposit file back, by negative postings."""

import getpass
import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import FileStatus, IntakeFile, Kind
from cardops.rules.money import format_amount
from cardops.settings import Settings
from orchestration.cli.output import CommandError, JsonOption, print_json, say

# A dead file may have been credited in part; one that is still being taken in is let finish.
CREDITED: Final = frozenset({FileStatus.APPLIED, FileStatus.DEAD})

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _deposits() -> None:
    """Take back a wrong or returned deposit file."""


@app.command()
def recall(
    file: Annotated[
        str, typer.Argument(help="The file itself, or its key under incoming/, or its number.")
    ],
    *,
    program: Annotated[str | None, typer.Option(help="Only where it was this program's.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Who asks for it; you on this machine unless given.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Take back every deposit that a file credited, each once; balances may go below zero.

    Each becomes a negative posting that names who asked. Said again, it adds nothing.
    """
    adapters = Adapters(Settings.load())
    entries = adapters.intake_ledger.find_all(Kind("deposits"), **_asked(file), program=program)
    found = _found(file, entries)
    who = by or f"{getpass.getuser()}@{socket.gethostname()}"
    ledger = adapters.deposit_ledger
    response = _answer(file, found, _added([ledger.recall(one, who) for one in found]), who)
    if json_output:
        print_json(response)
    else:
        say(_told(response))


def _asked(file: str) -> dict[str, Any]:
    """What identifies the file: its content, its key or its number."""
    path = Path(file)
    if path.is_file():
        with path.open("rb") as content:
            return {"content_sha256": hashlib.file_digest(content, "sha256").hexdigest()}
    return {"intake_id": int(file)} if file.isascii() and file.isdigit() else {"key": file}


def _found(file: str, entries: Sequence[IntakeFile]) -> Sequence[IntakeFile]:
    """Raises CommandError where nothing was credited of it, or whose it is must be said."""
    credited = [one for one in entries if one.status in CREDITED]
    if not credited:
        raise CommandError(
            f"No deposit file {file} was ever credited, so nothing was taken back; give the file "
            "itself, its key under incoming/ or its number."
        )
    programs = sorted({one.arrival.program for one in credited})
    if len(programs) > 1:
        raise CommandError(
            f"{file} was credited in several programs ({', '.join(programs)}), so nothing was "
            "taken back; say with --program which one is meant."
        )
    return credited


def _added(totals: Sequence[Any]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for currency, minor in (pair for one in totals for pair in sorted(one.items())):
        sums[currency] = sums.get(currency, 0) + minor
    return sums


def _answer(
    file: str, found: Sequence[IntakeFile], totals: dict[str, int], who: str
) -> dict[str, Any]:
    return {
        "file": file,
        "program": found[0].arrival.program,
        "intake_ids": [one.intake_id for one in found],
        "recalled": totals,
        "recalled_by": who,
    }


def _told(response: dict[str, Any]) -> str:
    sums = [
        f"{format_amount(minor, currency)} {currency}"
        for currency, minor in response["recalled"].items()
    ]
    return f"Taken back of {response['file']}: {', '.join(sums) or 'nothing, it credited nothing'}."
