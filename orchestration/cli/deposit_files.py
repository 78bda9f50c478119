"""How a person names a deposit file: the file itself, its key, or its intake id."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from cardops.services.accounts.deposit_files import DepositFileKey

FileArgument = Annotated[
    str, typer.Argument(help="The file itself, its key under incoming/, or its intake id.")
]
ProgramOption = Annotated[
    str | None,
    typer.Option(help="Program of the file, where several programs had the same one."),
]


def file_key(file: str, program: str | None) -> DepositFileKey:
    """A file is known by its content; anything else is an intake id or a key."""
    path = Path(file)
    if path.is_file():
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return DepositFileKey(content_sha256=digest, program=program)
    if file.isascii() and file.isdigit():
        return DepositFileKey(intake_id=int(file), program=program)
    return DepositFileKey(key=file, program=program)
