"""`cardops user`: blocks and limits of a user's spending."""

import re
from typing import Annotated

import typer

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.intake.files import DEFAULT_PROGRAM, ID_PATTERN
from cardops.settings import Settings
from orchestration.cli.known_programs import known_program
from orchestration.cli.limit_options import (
    Currency,
    Day,
    DayCount,
    Month,
    MonthCount,
    PerAuthorization,
    Remove,
    Window,
    WindowAmount,
    WindowCount,
    Wish,
    carry_out,
    show,
    today,
    whoami,
)
from orchestration.cli.output import CommandError, JsonOption, print_json, say

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


@app.command()
def limits(  # noqa: PLR0913 - one parameter an option
    user_id: UserId,
    *,
    program: ProgramOption = DEFAULT_PROGRAM,
    currency: Currency = None,
    per_authorization: PerAuthorization = None,
    day: Day = None,
    day_count: DayCount = None,
    month: Month = None,
    month_count: MonthCount = None,
    window: Window = None,
    window_amount: WindowAmount = None,
    window_count: WindowCount = None,
    remove: Remove = None,
    json_output: JsonOption = False,
) -> None:
    """Show the limits in force for the user and what is used of each; or change the user's own."""
    wish = Wish(
        per_authorization, day, day_count, month, month_count, window, window_amount,
        window_count, tuple(remove or ()),
    )  # fmt: skip
    url, default = checked(program, user_id)
    store = PostgresSpendingLimits(url)
    carry_out(store, program, user_id, currency or default, wish)
    found = store.used(program, user_id, today())
    show(program, user_id, found, has_use=True, json_output=json_output)


def set_blocked(program: str, user_id: str, *, is_blocked: bool, json_output: bool) -> None:
    """Raises CommandError for what is no user id, and for a missing program."""
    url, _ = checked(program, user_id)
    programs = PostgresPrograms(url)
    programs.set_blocked(program, user_id, is_blocked=is_blocked, changed_by=whoami())
    if json_output:
        print_json({"program": program, "user_id": user_id, "is_blocked": is_blocked})
    else:
        say(f"User {user_id} of {program} is {'blocked' if is_blocked else 'not blocked'} now.")


def checked(program: str, user_id: str) -> tuple[str, str]:
    """The database and the program's currency. Raises CommandError."""
    if not re.fullmatch(ID_PATTERN, user_id) or user_id in {".", ".."}:
        raise CommandError(
            f"{user_id!r} is no user id: use 1 to 64 of letters, digits and the signs _.:- alone."
        )
    url = connect_info(Settings.load()).url
    return url, known_program(url, program).currency
