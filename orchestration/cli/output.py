"""How commands speak: JSON on standard output, progress and errors on standard error."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

DONE: Final = 0
DONE_WITH_FINDINGS: Final = 1  # quarantined rows, failed checks
NOT_POSSIBLE: Final = 2  # wrong use, or something is missing

# Every command takes it: `json_output: JsonOption = False`.
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class CommandError(Exception):
    """A command cannot do what it was asked; the message is the one sentence that is shown."""


def print_json(payload: Mapping[str, Any]) -> None:
    """The command's answer for programs: one object, one line, there at once.

    A command that goes on running is read through a pipe, which is not flushed by itself.
    """
    sys.stdout.write(json.dumps(payload, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Progress or a remark, for people."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
