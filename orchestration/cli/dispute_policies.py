"""The command of `cardops program` about disputes that are looked at before they are sent.

Belongs here: showing and changing a program's policy. What is held is in `cardops deliveries`.
"""

from typing import Annotated

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.filing import CHECKED_FLAGS, DisputePolicy, policy_problem
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.output import CommandError, JsonOption, print_json
from orchestration.cli.people import person_of


def register(app: typer.Typer) -> None:
    """Add the command to `cardops program`."""
    app.command("dispute-checks")(dispute_checks)


def dispute_checks(
    name: Annotated[str, typer.Argument(help="Name of the program.")],
    *,
    check: Annotated[
        list[str] | None,
        typer.Option(help="flag=send or flag=hold, such as refunded_already=hold; repeatable."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who requested it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Show or change what becomes of disputes that are refunded, twice, or of a failed payment.

    They are flagged and sent, or held until somebody releases them. Batches filed from now on follow it.
    """
    adapters = Adapters(Settings.load())
    administration(adapters).find(name)
    changes = dict(map(_parsed, check or ()))
    problems = [policy_problem(flag, policy) for flag, policy in changes.items()]
    found = [problem for problem in problems if problem]
    if found:
        raise CommandError(" ".join(found))
    for flag, policy in changes.items():
        adapters.intake_ledger.set_dispute_policy(name, flag, policy, set_by=person_of(by))
    stored = adapters.intake_ledger.dispute_policies(name)
    policies = {str(flag): stored.get(flag, str(DisputePolicy.SEND)) for flag in CHECKED_FLAGS}
    if json_output:
        print_json({"program": name, "checks": policies})
        return
    for flag, policy in policies.items():
        typer.echo(f"{flag}: {policy}")


def _parsed(text: str) -> tuple[str, str]:
    flag, separator, policy = text.partition("=")
    if not separator:
        raise CommandError(f"{text!r} is no check; write it as flag=send or flag=hold.")
    return flag.strip().lower(), policy.strip().lower()
