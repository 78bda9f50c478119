"""`cardops provisional`: what disputes give back to users, until each is decided."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.money import format_amount
from cardops.rules.provisional.records import NoticeKind
from cardops.services.provisional.alarms import debt_sentence, is_done, refusal_sentence, report
from cardops.services.provisional.crediting import Position, PostedStep
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.output import (
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of
from orchestration.cli.provisional_decisions import decision_row, register
from orchestration.composition import provisional_credits_of

app = typer.Typer(no_args_is_help=True)
register(app)
ProgramOption = Annotated[str | None, typer.Option(help="Only this program.")]


@app.command("list")
def list_positions(*, program: ProgramOption = None, json_output: JsonOption = False) -> None:
    """List what is due, what stands, which disputes wait and why, and which notices are pending.

    Nothing is left out: a dispute under a policy that is in none of the lists is settled.
    """
    adapters = Adapters(Settings.load())
    _require_program(adapters, program)
    today = adapters.database_clock.now().date()
    found = list(provisional_credits_of(adapters).positions(program))
    lists = {
        "due": [_due(item, today) for item in found if item.step],
        "standing": [
            _standing(item) for item in found if item.record.credit and not item.record.end
        ],
        "waiting": [_waiting(item, today) for item in found if item.waiting],
        "notices": [
            _row(item) | _notice(notice.kind, notice.due_on, today)
            for item in found
            for notice in item.notices
        ],
        "honoured": [
            _row(item) | {"until": item.honoured_until}
            for item in found
            if item.honoured_until and item.honoured_until >= today
        ],
        "in_debt": [
            _row(item) | {"available": item.purchase.available_minor}
            for item in found
            if item.is_in_debt and item.purchase
        ],
    }
    if json_output:
        print_json({"on": today, **lists})
        return
    _print(lists)


@app.command()
def post(*, program: ProgramOption = None, json_output: JsonOption = False) -> None:
    """Post what is due today, as every night; each at most once. Exit code 1 on a debt or refusal."""
    adapters = Adapters(Settings.load())
    _require_program(adapters, program)
    today = adapters.database_clock.now().date()
    posted = list(provisional_credits_of(adapters).post_due(today, program))
    report(posted, adapters.notifier)
    for step in posted:
        if not is_done(step):
            say(refusal_sentence(step))
        elif step.is_below_zero:
            say(debt_sentence(step))
    rows = [_posted(step) for step in posted]
    if json_output:
        print_json({"on": today, "posted": rows})
    for row in [] if json_output else rows:
        typer.echo(
            f"{row['kind']}  {format_amount(row['amount'], row['currency'])} {row['currency']}  "
            f"{row['user_id']}  {row['network']}/{row['case_number']}  {row['outcome']}"
        )
    if any(step.is_below_zero or not is_done(step) for step in posted):
        raise typer.Exit(DONE_WITH_FINDINGS)


@app.command()
def notice(  # noqa: PLR0913 - each is an option of the command
    case: Annotated[str, typer.Argument(help="Case number of the dispute.")],
    *,
    program: Annotated[str, typer.Option(help="Program of the dispute.")] = "default",
    network: Annotated[str, typer.Option(help="Card company of the dispute.")],
    kind: Annotated[NoticeKind, typer.Option(help="What the user was told.")],
    sent_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When it was sent; today unless given."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who sent it; by default you.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Record that a user was told. Money is taken back only after the notice of it."""
    adapters = Adapters(Settings.load())
    administration(adapters).find(program)
    today = adapters.database_clock.now().date()
    day = sent_on.date() if sent_on else today
    if day > today:
        raise CommandError(f"{day} has not come, so nothing was sent on it; it is {today}.")
    key = DisputeKey(program, network, case)
    known = {item.dispute.key for item in provisional_credits_of(adapters).positions(program)}
    if key not in known:
        raise CommandError(
            f"{program} has no dispute {network}/{case} under a policy; `cardops provisional list` "
            "shows those it has."
        )
    adapters.provisional_ledger.record_notice(key, kind, day, person_of(by))
    result = {**_key(key), "kind": kind, "sent_on": day}
    if json_output:
        print_json(result)
    else:
        typer.echo(f"The notice {kind} of {network}/{case} was recorded as sent on {day}.")


def _require_program(adapters: Adapters, program: str | None) -> None:
    """A misspelled program must not look like one of which nothing is due."""
    if program is not None:
        administration(adapters).find(program)


def _key(key: DisputeKey) -> dict[str, Any]:
    return {"program": key.program, "network": key.network, "case_number": key.case_number}


def _row(item: Position) -> dict[str, Any]:
    """What every list says of a dispute; the amount is the disputed one."""
    dispute = item.dispute
    return {
        **_key(dispute.key),
        "transaction_id": dispute.transaction_id,
        "user_id": item.purchase.user_id if item.purchase else None,
        "amount": dispute.amount_minor,
        "currency": dispute.currency,
        "policy": item.policy.name,
        "notified_on": dispute.notified_on,
        "outcome": dispute.outcome or "open",
    }


def _due(item: Position, today: date) -> dict[str, Any]:
    step = item.step
    if step is None:
        return _row(item)
    figures = {
        "kind": step.kind,
        "due_on": step.due_on,
        "last_on": step.last_on,
        "is_due": step.due_on <= today,
    }
    return _row(item) | figures | {"amount": step.amount_minor}


def _waiting(item: Position, today: date) -> dict[str, Any]:
    figures = {
        "reason": item.waiting,
        "last_on": item.waits_until,
        "is_overdue": item.is_overdue(today),
        "needs_person": item.needs_person(today),
        "decision": decision_row(item.decision),
    }
    return _row(item) | figures


def _standing(item: Position) -> dict[str, Any]:
    credit = item.record.credit
    figures = {
        "final_on": item.investigated_by,
        "credited_on": credit.posted_on if credit else None,
    }
    return _row(item) | figures | {"amount": credit.amount_minor if credit else 0}


def _notice(kind: NoticeKind, due_on: date, today: date) -> dict[str, Any]:
    return {"kind": kind, "due_on": due_on, "is_overdue": due_on < today}


def _posted(step: PostedStep) -> dict[str, Any]:
    posting = step.posting
    return {
        **_key(posting.key),
        "user_id": posting.user_id,
        "kind": posting.kind,
        "amount": posting.amount_minor,
        "currency": posting.currency,
        "outcome": step.outcome,
        "available": step.available_minor,
    }


def _print(lists: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    for name, rows in lists.items():
        if rows:
            typer.echo(f"{name.replace('_', ' ')}:")
        for row in rows:
            amount, currency = row["amount"], row["currency"]
            money = (
                "no amount" if amount is None else f"{format_amount(amount, currency)} {currency}"
            )
            more = ", ".join(
                f"{key} {row[key]}"
                for key in ("kind", "reason", "due_on", "last_on", "final_on", "until", "available")
                if row.get(key) is not None
            )
            user = row["user_id"] or "unknown user"
            typer.echo(f"  {row['network']}/{row['case_number']}  {user}  {money}  {more}")
    if not any(lists.values()):
        typer.echo("No dispute is under a policy, or all are settled.")
