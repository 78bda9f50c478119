"""`cardops program`: card programs and the secrets that sign their callbacks."""

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.accounts.spending_limits import limits_in_force
from cardops.rules.bank.safeguarding import SafeguardingAccount
from cardops.rules.intake.files import ID_PATTERN
from cardops.rules.programs.programs import Program
from cardops.services.intake.holiday_dates import holiday_dates
from cardops.services.programs.administration import CHARGEBACK_MODES
from cardops.settings import Settings
from orchestration.cli import dispute_policies, provisional_policy, source_controls
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
)
from orchestration.cli.limit_options import (
    show as show_limits,
)
from orchestration.cli.output import CommandError, JsonOption, print_json, say
from orchestration.cli.people import person_of

app = typer.Typer(no_args_is_help=True)
source_controls.register(app)
dispute_policies.register(app)
provisional_policy.register(app)
Name = Annotated[str, typer.Argument(help="Name of the program: a-z, 0-9 and hyphens.")]


@app.command()
def create(
    name: Name,
    *,
    currency: Annotated[
        str | None, typer.Option(help="Default currency of its accounts, ISO 4217.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            help="How chargeback batches are split into files: by_network or size_balanced."
        ),
    ] = CHARGEBACK_MODES[0],
    callback_host: Annotated[
        list[str] | None, typer.Option(help="Host that may receive callbacks; repeat for several.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Create a card program. Its callback secret is shown only once."""
    settings = Settings.load()
    hosts = tuple(host.lower() for host in callback_host or ())
    program = Program(name, currency or settings.default_currency, mode, hosts)
    secret = administration(Adapters(settings)).create(program)
    if secret is None:
        raise CommandError(f"The program {name} already exists; nothing was changed.")
    show(program, secret, json_output=json_output)


@app.command("rotate-secret")
def rotate_secret(name: Name, *, json_output: JsonOption = False) -> None:
    """Add a callback secret; the one before stays valid until the next rotation."""
    programs = administration(Adapters(Settings.load()))
    programs.find(name)
    secret = programs.add_callback_secret(name)
    if json_output:
        print_json({"program": name, "callback_secret": secret})
    else:
        typer.echo(f"New callback secret of {name}, shown only once: {secret}")


@app.command("list")
def list_programs(*, json_output: JsonOption = False) -> None:
    """List the card programs."""
    found = Adapters(Settings.load()).programs.all()
    if json_output:
        print_json({"data": [described(program) for program in found]})
        return
    for program in found:
        hosts = ", ".join(program.callback_hosts) or "no callback hosts"
        typer.echo(f"{program.program}  {program.currency}  {program.chargeback_mode}  {hosts}")


@app.command()
def routes(
    name: Name,
    *,
    route: Annotated[
        list[str] | None,
        typer.Option(help="scheme=network, such as jcb=discover; scheme= ends it; repeatable."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who requested it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show or change which card company takes disputes of JCB, UnionPay and debit networks.

    Files that are judged from now on are routed by it.
    """
    programs = administration(Adapters(Settings.load()))
    programs.find(name)
    changes: dict[str, str | None] = {}
    for text in route or ():
        scheme, separator, network = text.partition("=")
        if not separator:
            raise CommandError(f"{text!r} is no route; write it as scheme=network.")
        changes[scheme.strip().lower()] = network.strip().lower() or None
    programs.set_network_routes(name, changes, person_of(by))
    found = programs.find(name).network_routes
    if json_output:
        print_json({"program": name, "routes": dict(sorted(found.items()))})
        return
    for scheme, network in sorted(found.items()):
        typer.echo(f"{scheme} -> {network}")
    if not found:
        typer.echo(f"{name} has no contract routes.")


@app.command()
def clocks(
    name: Name,
    *,
    clock: Annotated[
        list[str] | None,
        typer.Option(
            help="network/stage=days, such as visa/chargeback=18; network/stage= ends it; repeatable."
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who requested it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show or change the days that the program's processor leaves for a response to a dispute.

    They count for disputes without a reply-by date whose steps are judged from now on.
    """
    programs = administration(Adapters(Settings.load()))
    programs.find(name)
    changes: dict[str, int | None] = {}
    for text in clock or ():
        key, separator, days = text.partition("=")
        if not separator or (days.strip() and not re.fullmatch("[0-9]{1,4}", days.strip())):
            raise CommandError(f"{text!r} is no clock; write it as network/stage=days.")
        changes[key.strip().lower()] = int(days) if days.strip() else None
    programs.set_response_days(name, changes, person_of(by))
    found = programs.find(name).response_days
    if json_output:
        print_json({"program": name, "clocks": dict(sorted(found.items()))})
        return
    for key, number in sorted(found.items()):
        typer.echo(f"{key}: {number} days")
    if not found:
        typer.echo(f"{name} has no clocks of its own; the published days count.")


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
    """Show or change what each user of the program may spend; each user is counted separately."""
    change = LimitChange(
        per_authorization, day, day_count, month, month_count, window, window_amount,
        window_count, tuple(remove or ()),
    )  # fmt: skip
    adapters = Adapters(Settings.load())
    program = administration(adapters).find(name)
    store = adapters.spending_limits
    apply_change(store, name, "", currency or program.currency, change)
    found = {code: limits_in_force(own, ()) for code, own in store.own(name, "").items()}
    show_limits(name, "", found, has_use=False, json_output=json_output)


@app.command()
def safeguarding(  # noqa: PLR0913 - each is an option of the command
    name: Name,
    *,
    add: Annotated[
        list[str] | None, typer.Option(help="Bank account that holds users' money; repeatable.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Account that holds it no longer; repeatable.")
    ] = None,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First date of the change; today unless given."),
    ] = None,
    holidays: Annotated[
        str | None,
        typer.Option(
            help="No statement is due on these holidays: AT, DE-BY, XECB for bank holidays."
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who requested it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show or change the bank accounts whose balances must equal what users are owed."""
    adapters = Adapters(Settings.load())
    administration(adapters).find(name)
    day = on.date() if on else adapters.database_clock.now().date()
    requester = person_of(by)
    holiday_dates(holidays, (day.year,))
    for account_id in add or ():
        if not re.fullmatch(ID_PATTERN, account_id):
            raise CommandError(f"{account_id!r} is no account id as bank statements have it.")
        added = SafeguardingAccount(name, account_id, day, None, requester, holidays=holidays)
        if not adapters.safeguarding_accounts.add(added):
            raise CommandError(f"{name} has the account {account_id} already.")
    for account_id in remove or ():
        if not adapters.safeguarding_accounts.remove(name, account_id, day, requester):
            raise CommandError(f"{name} has no safeguarding account {account_id}.")
    found = [entry for entry in adapters.safeguarding_accounts.all() if entry.program == name]
    if json_output:
        print_json({"data": [asdict(entry) for entry in found]})
        return
    for entry in found:
        until = f", until {entry.until_on} (by {entry.removed_by})" if entry.until_on else ""
        free = f", no statement on holidays of {entry.holidays}" if entry.holidays else ""
        typer.echo(f"{entry.account_id}  since {entry.since_on} (by {entry.added_by}){free}{until}")


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
    typer.echo(f"Callback secret, shown only once: {secret}")
