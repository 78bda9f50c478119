"""`cardops program`: card programs and the secrets their callbacks are signed with."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.secrets import secret_store
from cardops.rules.accounts.spending_limits import limits_in_force
from cardops.rules.callbacks.secrets import SECRET_BYTES, secret_name, with_new_secret
from cardops.rules.currencies import EXPONENTS
from cardops.rules.programs.programs import Program, host_problem, program_problem
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
)
from orchestration.cli.limit_options import (
    show as show_limits,
)
from orchestration.cli.output import CommandError, JsonOption, print_json, say

MODES = ("by_network", "size_balanced")

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The program's name: a-z, 0-9 and hyphens.")]


@app.command()
def create(
    name: Name,
    *,
    currency: Annotated[str | None, typer.Option(help="Its own currency, ISO 4217.")] = None,
    mode: Annotated[str, typer.Option(help="by_network or size_balanced.")] = MODES[0],
    callback_host: Annotated[
        list[str] | None, typer.Option(help="A host that callbacks may reach; may be repeated.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Create a program; its callback secret is shown this once."""
    settings = Settings.load()
    hosts = tuple(host.lower() for host in callback_host or ())
    program = Program(name, currency or settings.default_currency, mode, hosts)
    check(program)
    secret = create_program(settings, program)
    if secret is None:
        raise CommandError(f"The program {name} exists already; nothing was changed.")
    show(program, secret, json_output=json_output)


@app.command("rotate-secret")
def rotate_secret(name: Name, *, json_output: JsonOption = False) -> None:
    """Add a callback secret; callbacks are signed with it and the one before, until the next."""
    settings = Settings.load()
    if PostgresPrograms(connect_info(settings).url).find(name) is None:
        raise CommandError(f"There is no program {name}; `cardops program create {name}` makes it.")
    secret = new_secret(settings, name)
    if json_output:
        print_json({"program": name, "callback_secret": secret})
    else:
        typer.echo(f"New callback secret of {name}, shown this once: {secret}")


@app.command("list")
def list_programs(*, json_output: JsonOption = False) -> None:
    """List programs."""
    found = PostgresPrograms(connect_info(Settings.load()).url).all()
    if json_output:
        print_json({"data": [described(program) for program in found]})
        return
    for one in found:
        hosts = ", ".join(one.callback_hosts) or "no callback hosts"
        typer.echo(f"{one.program}  {one.currency}  {one.chargeback_mode}  {hosts}")


@app.command()
def limits(  # noqa: PLR0913 - one parameter an option
    name: Name,
    *,
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
    """Show or change what each user of the program may spend, each counted for itself."""
    wish = Wish(
        per_authorization, day, day_count, month, month_count, window, window_amount,
        window_count, tuple(remove or ()),
    )  # fmt: skip
    url = connect_info(Settings.load()).url
    program = known_program(url, name)
    store = PostgresSpendingLimits(url)
    carry_out(store, name, "", currency or program.currency, wish)
    found = {one: limits_in_force(here, ()) for one, here in store.own(name, "").items()}
    show_limits(name, "", found, has_use=False, json_output=json_output)


def check(program: Program) -> None:
    """Raises CommandError for what cannot be a program."""
    problems = [program_problem(program.program)]
    problems += [host_problem(host) for host in program.callback_hosts]
    if program.currency not in EXPONENTS:
        problems.append("The currency must be an upper-case ISO 4217 code such as USD.")
    if program.chargeback_mode not in MODES:
        problems.append(f"The mode must be {' or '.join(MODES)}.")
    found = [problem for problem in problems if problem]
    if found:
        raise CommandError(" ".join(found))


def create_program(settings: Settings, program: Program) -> str | None:
    """Make the program with a callback secret; the secret, or None where the program exists."""
    if not PostgresPrograms(connect_info(settings).url).create(program):
        return None
    return new_secret(settings, program.program)


def new_secret(settings: Settings, program: str) -> str:
    """Store one more callback secret; at most two are live."""
    store, name = secret_store(settings), secret_name(program)
    secret, value = with_new_secret(
        store.get(name), secrets.token_bytes(SECRET_BYTES), datetime.now(UTC)
    )
    store.put(name, value)
    return secret


def described(program: Program) -> dict[str, Any]:
    """A program for `--json`."""
    return {
        "program": program.program,
        "currency": program.currency,
        "mode": program.chargeback_mode,
        "callback_hosts": list(program.callback_hosts),
    }


def show(program: Program, secret: str, *, json_output: bool) -> None:
    """The new program with its secret."""
    if json_output:
        print_json({**described(program), "callback_secret": secret})
        return
    say(f"Program {program.program} ({program.currency}) was created.")
    typer.echo(f"Callback secret, shown this once: {secret}")
