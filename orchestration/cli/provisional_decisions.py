"""Commands of `cardops provisional` by which a person decides what waits.

Belongs here: approving, rejecting and deferring. What waits, and why, is listed by
`cardops provisional list`.
"""

from datetime import date, datetime
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.money import AmountProblem, format_amount, parse_amount
from cardops.rules.provisional.records import Decision, DecisionKind
from cardops.services.provisional.alarms import is_done, refusal_sentence, report
from cardops.services.provisional.deciding import (
    DecisionRequest,
    DecisionResult,
    ProvisionalDecisions,
)
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.output import DONE, DONE_WITH_FINDINGS, CommandError, JsonOption, print_json
from orchestration.cli.people import person_of
from orchestration.composition import provisional_credits_of

CaseArgument = Annotated[str, typer.Argument(help="Case number of the dispute.")]
ProgramOption = Annotated[str, typer.Option(help="Program of the dispute.")]
NetworkOption = Annotated[str, typer.Option(help="Card company of the dispute.")]
WhyOption = Annotated[str, typer.Option(help="Why; it is recorded.")]
ByOption = Annotated[str | None, typer.Option(help="Who decides; by default you, on this machine.")]
AmountOption = Annotated[
    str | None, typer.Option(help="Amount in the currency of the purchase, as 40.00.")
]
ReplaceOption = Annotated[
    int | None, typer.Option(help="Number of the decision that this one corrects.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `cardops provisional`."""
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("defer")(defer)


def approve(  # noqa: PLR0913 - each is an option of the command
    case: CaseArgument,
    *,
    network: NetworkOption,
    why: WhyOption,
    program: ProgramOption = "default",
    amount: AmountOption = None,
    replace: ReplaceOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Decide for the user: give the credit that waits, or let a standing one become final.

    It is posted at once, within what is left of the purchase. Again, it finishes what was begun.
    """
    key = DisputeKey(program, network, case)
    _decide(key, DecisionKind.APPROVED, why, by, json_output, amount=amount, replaces=replace)


def reject(  # noqa: PLR0913 - each is an option of the command
    case: CaseArgument,
    *,
    network: NetworkOption,
    why: WhyOption,
    program: ProgramOption = "default",
    amount: AmountOption = None,
    replace: ReplaceOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Decide against the user: give no credit, or take back what of a standing one is too much.

    Money is taken back only after the notice of it, recorded with `cardops provisional notice`.
    """
    key = DisputeKey(program, network, case)
    _decide(key, DecisionKind.REJECTED, why, by, json_output, amount=amount, replaces=replace)


def defer(  # noqa: PLR0913 - each is an option of the command
    case: CaseArgument,
    *,
    network: NetworkOption,
    until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="When it is to be shown again.")
    ],
    why: WhyOption,
    program: ProgramOption = "default",
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Decide later. No clock waits for it: on its last day the dispute is shown again."""
    key = DisputeKey(program, network, case)
    _decide(key, DecisionKind.DEFERRED, why, by, json_output, until_on=until.date())


def _decide(  # noqa: PLR0913 - what the three commands have in common
    key: DisputeKey,
    kind: DecisionKind,
    why: str,
    by: str | None,
    json_output: bool,  # noqa: FBT001 - the commands' own option
    *,
    amount: str | None = None,
    until_on: date | None = None,
    replaces: int | None = None,
) -> None:
    if not why.strip():
        raise CommandError("--why is empty; say why.")
    adapters = Adapters(Settings.load())
    administration(adapters).find(key.program)
    service = provisional_credits_of(adapters)
    position = service.find(key)
    currency = position.purchase.currency if position and position.purchase else "USD"
    amount_minor = None if amount is None else _minor(amount, currency)
    request = DecisionRequest(
        key, kind, person_of(by), why.strip(), amount_minor, until_on, replaces
    )
    today = adapters.database_clock.now().date()
    result = ProvisionalDecisions(service).decide(request, today)
    report(result.posted, adapters.notifier)
    if json_output:
        print_json(_described(key, result))
    else:
        _show(key, result)
    is_refused = any(not is_done(step) or step.is_below_zero for step in result.posted)
    raise typer.Exit(DONE_WITH_FINDINGS if is_refused else DONE)


def _minor(text: str, currency: str) -> int:
    amount = parse_amount(text, currency)
    if isinstance(amount, AmountProblem):
        raise CommandError(f"{text!r} is no amount of {currency} ({amount}); write it as 40.00.")
    return amount


def decision_row(decision: Decision | None) -> dict[str, Any] | None:
    """A decision as `--json` shows it; amounts are minor units."""
    if decision is None:
        return None
    return {
        "number": decision.number,
        "decision": decision.kind,
        "reason": decision.facts.reason,
        "amount": decision.amount_minor,
        "until": decision.until_on,
        "by": decision.decided_by,
        "why": decision.why,
        "on": decision.decided_on,
    }


def _described(key: DisputeKey, result: DecisionResult) -> dict[str, Any]:
    return {
        "program": key.program,
        "network": key.network,
        "case_number": key.case_number,
        "decision": decision_row(result.decision),
        "is_repeat": result.is_repeat,
        "posted": [
            {
                "kind": step.posting.kind,
                "amount": step.posting.amount_minor,
                "currency": step.posting.currency,
                "outcome": step.outcome,
                "available": step.available_minor,
            }
            for step in result.posted
        ],
    }


def _show(key: DisputeKey, result: DecisionResult) -> None:
    decision = result.decision
    before = " before" if result.is_repeat else ""
    typer.echo(
        f"{key.network}/{key.case_number} was {decision.kind}{before} by {decision.decided_by} on "
        f"{decision.decided_on} (decision {decision.number}, {decision.facts.reason})."
    )
    for step in result.posted:
        posting = step.posting
        amount = format_amount(posting.amount_minor, posting.currency)
        typer.echo(
            f"  {posting.kind}  {amount} {posting.currency}  {posting.user_id}"
            if is_done(step)
            else f"  {refusal_sentence(step)}"
        )
