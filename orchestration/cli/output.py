"""Output of commands: results on standard output, progress and errors on standard error."""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from cardops.rules.errors import ExplainedError

DONE: Final = 0
DONE_WITH_FINDINGS: Final = 1  # quarantined rows, failed checks
NOT_POSSIBLE: Final = 2  # wrong use, or something is missing

# Every command has it: `json_output: JsonOption = False`.
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


class CommandError(ExplainedError):
    """A command cannot do what it was asked; the message is shown and the exit code is 2."""


def print_json(payload: Mapping[str, Any]) -> None:
    """Print the result for programs: one object on one line, flushed at once.

    Without the flush, a program would not see the result of a command that keeps running.
    """
    sys.stdout.write(json.dumps(payload, ensure_ascii=False, default=_json_value) + "\n")
    sys.stdout.flush()


def _json_value(value: object) -> int | str:
    """A whole decimal, which a sum of amounts is, as an integer; everything else as text."""
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return int(value)
    return str(value)


def say(text: str) -> None:
    """Tell a person about progress or an error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
