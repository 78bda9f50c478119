"""`cardops user`: blocks of a user's spending."""

import re
from typing import Annotated

import typer

from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs import PostgresPrograms
from cardops.adapters.settings import Settings
from cardops.rules.intake import DEFAULT_PROGRAM, ID_PATTERN
from orchestration.output import CommandError, JsonOption, print_json, say

app = typer.Typer(no_args_is_help=True)
UserId = Annotated[str, typer.Argument(help="The user's id.")]
ProgramOption = Annotated[str, typer.Option("--program", help="The user's program.")]


@app.command()
def block(
    user_id: UserId, *, program: ProgramOption = DEFAULT_PROGRAM, json_output: JsonOption = False
) -> None:
    """Refuse the user's spending from now on; holds and refunds go on."""
    set_blocked(program, user_id, is_blocked=True, json_output=json_output)


@app.command()
def unblock(
    user_id: UserId, *, program: ProgramOption = DEFAULT_PROGRAM, json_output: JsonOption = False
) -> None:
    """Let the user spend again; what was rejected stays rejected."""
    set_blocked(program, user_id, is_blocked=False, json_output=json_output)


def set_blocked(program: str, user_id: str, *, is_blocked: bool, json_output: bool) -> None:
    """Raises CommandError for what is no user id, and for a missing program."""
    if not re.fullmatch(ID_PATTERN, user_id) or user_id in {".", ".."}:
        raise CommandError(
            f"{user_id!r} is no user id: use 1 to 64 of letters, digits and the signs _.:- alone."
        )
    programs = PostgresPrograms(connect_info(Settings.load()).url)
    if programs.find(program) is None:
        raise CommandError(f"There is no program {program}; `cardops program list` shows them.")
    programs.set_blocked(program, user_id, is_blocked=is_blocked)
    if json_output:
        print_json({"program": program, "user_id": user_id, "is_blocked": is_blocked})
    else:
        say(f"User {user_id} of {program} is {'blocked' if is_blocked else 'not blocked'} now.")
