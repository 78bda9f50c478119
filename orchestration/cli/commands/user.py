"""`cardops user`: block a user's spending and set spending limits."""

import re
from typing import Annotated

import typer

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import DEFAULT_PROGRAM, ID_PATTERN
from cardops.settings import Settings
from orchestration.account import whoami
from orchestration.cli.known_programs import administration
from orchestration.cli.limit_options import (
    Currency,
    Day,
    DayCount,
    LimitChange,
    Month,
    MonthCount,
    PerAuthorization,
    Remove,
    Window,
    WindowAmount,
    WindowCount,
    apply_change,
    show,
    today,
)
from orchestration.cli.output import CommandError, JsonOption, print_json, say

app = typer.Typer(no_args_is_help=True)
UserId = Annotated[str, typer.Argument(help="The user's id.")]
ProgramOption = Annotated[str, typer.Option("--program", help="The user's program.")]


@app.command()
def block(
    user_id: UserId, *, program: ProgramOption = DEFAULT_PROGRAM, json_output: JsonOption = False
) -> None:
    """Reject the user's authorizations from now on; open holds and refunds still go through."""
    set_blocked(program, user_id, is_blocked=True, json_output=json_output)


@app.command()
def unblock(
    user_id: UserId, *, program: ProgramOption = DEFAULT_PROGRAM, json_output: JsonOption = False
) -> None:
    """Permit authorizations of the user again; those already rejected stay rejected."""
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
    """Show the user's limits in force and how much of each is used, or change the user's own."""
    change = LimitChange(
        per_authorization, day, day_count, month, month_count, window, window_amount,
        window_count, tuple(remove or ()),
    )  # fmt: skip
    adapters, default = checked(program, user_id)
    store = adapters.spending_limits
    apply_change(store, program, user_id, currency or default, change)
    found = store.used(program, user_id, today())
    show(program, user_id, found, has_use=True, json_output=json_output)


def set_blocked(program: str, user_id: str, *, is_blocked: bool, json_output: bool) -> None:
    """Raises CommandError for an invalid user id, ProgramMissingError for a missing program."""
    adapters, _ = checked(program, user_id)
    adapters.programs.set_blocked(program, user_id, is_blocked=is_blocked, changed_by=whoami())
    has_account = adapters.programs.has_account(program, user_id)
    if json_output:
        print_json(
            {
                "program": program,
                "user_id": user_id,
                "is_blocked": is_blocked,
                "has_account": has_account,
            }
        )
    else:
        say(
            f"User {user_id} of program {program} is now {'blocked' if is_blocked else 'unblocked'}."
        )
    if not has_account:
        say(
            f"Program {program} has no account of {user_id}: nothing was ever deposited for that id. "
            "It holds for a user who comes later; check the spelling, upper and lower case, and --program."
        )


def checked(program: str, user_id: str) -> tuple[Adapters, str]:
    """The adapters and the program's currency. Raises CommandError, ProgramMissingError."""
    if not re.fullmatch(ID_PATTERN, user_id) or user_id in {".", ".."}:
        raise CommandError(
            f"{user_id!r} is not a valid user id: use 1 to 64 letters, digits or the signs _.:-"
            " and nothing else."
        )
    adapters = Adapters(Settings.load())
    return adapters, administration(adapters).find(program).currency
