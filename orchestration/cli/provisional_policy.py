"""`cardops program provisional`: whether a program gives disputed money back meanwhile.

Belongs here: showing and setting the policy. What is due is in `cardops provisional`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.data_tables import is_valid_on, read_table
from cardops.rules.money import AmountProblem, format_amount, parse_amount
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy, completed
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.output import CommandError, JsonOption, print_json
from orchestration.cli.people import person_of

Name = Annotated[str, typer.Argument(help="Name of the program.")]


def register(app: typer.Typer) -> None:
    """Add the command to `cardops program`."""
    app.command("provisional")(provisional)


def provisional(  # noqa: PLR0913 - one parameter an option
    name: Name,
    *,
    policy: Annotated[
        PolicyName | None, typer.Option(help="Whose clocks apply; none gives nothing back.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Disputes notified on that date or later; today unless given.",
        ),
    ] = None,
    credit_days: Annotated[
        int | None,
        typer.Option(help="Business days until the credit, if sooner than the regulation asks."),
    ] = None,
    notice_days: Annotated[
        int | None, typer.Option(help="Business days between the notice and taking back.")
    ] = None,
    withhold: Annotated[
        str | None,
        typer.Option(help="USD kept back where a transaction may be unauthorized, as 50.00."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who requested it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show or set whether disputed money is given back to users meanwhile, and by which clocks."""
    adapters = Adapters(Settings.load())
    administration(adapters).find(name)
    if policy is None and any(
        value is not None for value in (since, credit_days, notice_days, withhold)
    ):
        raise CommandError("Name the policy that is to be set with --policy.")
    if policy is not None:
        since_on = since.date() if since else adapters.database_clock.now().date()
        withheld = 0 if withhold is None else _dollars(withhold)
        adapters.provisional_policies.set(
            completed(
                ProvisionalPolicy(
                    name, policy, since_on, person_of(by), credit_days, notice_days, withheld
                )
            )
        )
    policies = adapters.provisional_policies.all().get(name, [])
    if json_output:
        clocks = {item.name: _clocks(item) for item in policies[-1:]}
        print_json({"program": name, "data": [asdict(item) for item in policies], "clocks": clocks})
        return
    _show(name, policies)


def _dollars(text: str) -> int:
    amount = parse_amount(text, "USD")
    if isinstance(amount, AmountProblem):
        raise CommandError(f"{text!r} is no amount of USD ({amount}); write it as 50.00.")
    return amount


def _clocks(policy: ProvisionalPolicy) -> list[dict[str, Any]]:
    """The clocks in force from the policy's first date on, each with its source."""
    return [
        {
            key: row[key]
            for key in (
                "clock",
                "network",
                "reason_category",
                "count",
                "unit",
                "source",
                "verification",
            )
        }
        for row in read_table("provisional_clocks")
        if row["policy"] == policy.name and is_valid_on(row, policy.since_on)
    ]


def _show(name: str, policies: Sequence[ProvisionalPolicy]) -> None:
    if not policies:
        typer.echo(f"{name} has no policy: disputed money is not given back.")
        return
    for item in policies:
        withheld = format_amount(item.withheld_minor, "USD")
        days = item.credit_days
        sooner = "" if days is None else f", credit after {days} business days"
        typer.echo(
            f"{item.name} since {item.since_on} (by {item.set_by}){sooner}, notice "
            f"{item.notice_days} business days, withheld {withheld} USD"
        )
    for row in _clocks(policies[-1]):
        scope = f" ({row['network']}, {row['reason_category']})" if row["network"] else ""
        typer.echo(f"  {row['clock']}{scope}: {row['count']} {row['unit']}; {row['source']}")
