"""Disputes as `cardops disputes` shows them: rows of the queue, and all of one dispute."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cardops.rules.chargebacks.filing import DisputeWait
from cardops.rules.chargebacks.queue import DisputeRecord, DisputeStep, RecordKind
from cardops.rules.deliveries.acknowledgements import counts_of
from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.money import format_amount
from cardops.services.disputes.history import DisputeFile, DisputeHistory
from orchestration.cli.evidence_views import described_evidence, evidence_status

_HEADINGS: Final = {
    "to_answer": "To answer",
    "undated": "Nobody says by when",
    "overdue": "Overdue",
}
_COLUMNS: Final = (
    *("DAYS LEFT", "REPLY BY", "CLOCK", "CASE", "NETWORK", "STAGE", "STATUS"),
    *("AMOUNT", "AGE", "OWNER", "PROGRAM"),
)


def described(row: Mapping[str, Any]) -> dict[str, Any]:
    """A dispute of the queue for `--json`."""
    return {
        "program": row["program"],
        "network": row["network"],
        "case_number": row["case_number"],
        "stage": row["stage"],
        "status": row["status"] or "open",
        "dispute_amount": row["dispute_amount_minor"],
        "currency": row["dispute_currency"],
        "reply_by": row["reply_by_on"],
        "clock": row["clock"],
        "days_left": row["days_left"],
        "owner": row["owner"],
        "transaction_id": row["transaction_id"],
        "reason_code": row["reason_code"],
        "opened_on": row["opened_on"],
        "age_days": row["age_days"],
        "decision": row["decision"],
    }


def part_lines(name: str, rows: Sequence[Mapping[str, Any]], count: int, more: str) -> list[str]:
    """A part of the queue for people: a heading, columns, and how many more there are.

    `more`: the command that shows all of them.
    """
    lines = [f"{_HEADINGS[name]}: {count:,}"]
    if rows:
        lines += _aligned([_COLUMNS, *(_cells(row) for row in rows)])
    if count > len(rows):
        lines.append(f"  {count - len(rows):,} more, all further away; `{more}` shows them.")
    return lines


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    days_left = row["days_left"]
    return (
        "" if days_left is None else str(days_left),
        str(row["reply_by_on"] or ""),
        row["clock"] or "",
        row["case_number"],
        row["network"],
        row["stage"],
        row["status"] or "open",
        _money(row["dispute_amount_minor"], row["dispute_currency"]),
        f"{row['age_days']} d",
        row["owner"] or "-",
        row["program"],
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def described_history(history: DisputeHistory) -> dict[str, Any]:
    """All that is known of a dispute, for `--json`."""
    state = history.state
    return {
        "program": history.key.program,
        "network": history.key.network,
        "case_number": history.key.case_number,
        "stage": state.opening.stage,
        "status": state.status or "open",
        "outcome": state.outcome,
        "dispute_amount": state.amount_minor,
        "currency": state.currency,
        "reply_by": state.reply_by_on,
        "clock": state.clock,
        "days_left": history.days_left,
        "owner": history.owner,
        "decision": history.decision and str(history.decision.kind),
        "transaction_id": state.transaction_id,
        "reason_code": state.reason_code,
        "merchant_name": state.merchant_name,
        "opened_on": min(step.dispute_date for step in history.steps),
        "steps": [_described_step(step) for step in history.steps],
        "files": [_described_file(file) for file in history.files],
        "waits": [_described_wait(wait) for wait in history.waits],
        "provisional_credit": _described_credit(history),
        "records": [described_record(record) for record in history.records],
        "evidence": described_evidence(history.evidence, history.as_of),
    }


def _described_step(step: DisputeStep) -> dict[str, Any]:
    return {
        "stage": step.opening.stage,
        "action_sequence": step.action_sequence,
        "status": step.status,
        "happened_at": step.happened_at.isoformat(),
        "dispute_amount": step.amount_minor,
        "currency": step.currency,
        "settlement_amount": step.settlement_amount_minor,
        "settlement_currency": step.settlement_currency,
        "fee_amount": step.fee_amount_minor,
        "fee_currency": step.fee_currency,
        "reply_by": step.reply_by_on,
        "clock": step.clock,
        "batch": step.batch_id,
        "source_file": step.source_file,
        "row_number": step.row_number,
        "flags": list(step.flags),
    }


def _described_file(file: DisputeFile) -> dict[str, Any]:
    record, answer = file.record, file.acknowledgement
    return {
        "batch": record.batch_id,
        "file": record.file_name,
        "sequence": record.sequence,
        "destination": record.destination,
        "sha256": record.content_sha256,
        "state": record.state.value,
        "delivered": record.state is DeliveryState.DELIVERED,
        "verified": file.is_verified,
        "remote_path": record.remote_path,
        "acknowledgement": answer
        and {"accepted": answer.accepted_count, "rejected": answer.rejected_count},
        "rejections": [
            {"stage": line.key.stage, "code": line.code, "reason": line.reason}
            for line in file.rejected
        ],
    }


def _described_wait(wait: DisputeWait) -> dict[str, Any]:
    return {
        "batch": wait.batch_id,
        "stage": wait.stage,
        "reason": str(wait.reason),
        "since": wait.since.isoformat(),
        "released_to": wait.released_to,
        "released_by": wait.released_by,
        "released_at": wait.released_at and wait.released_at.isoformat(),
        "why": wait.release_reason,
    }


def _described_credit(history: DisputeHistory) -> dict[str, Any] | None:
    if history.credit is None:
        return None
    postings = [posted for posted in (history.credit.credit, history.credit.end) if posted]
    return {
        "currency": history.credit_currency,
        "postings": [
            {"kind": str(posted.kind), "amount": posted.amount_minor, "posted_on": posted.posted_on}
            for posted in postings
        ],
        "notices": {str(kind): sent_on for kind, sent_on in history.credit.notices.items()},
    }


def described_record(record: DisputeRecord) -> dict[str, Any]:
    """What an operator recorded, for `--json`."""
    request = record.request
    return {
        "number": record.number,
        "kind": str(record.kind),
        "owner": request.owner,
        "text": request.text,
        "stage": request.opening.stage,
        "by": request.recorded_by,
        "at": record.recorded_at.isoformat(),
    }


def history_lines(history: DisputeHistory) -> Iterator[str]:
    """One page of a dispute for people."""
    key, state = history.key, history.state
    yield f"Dispute {key.case_number} ({key.program}, {key.network}): {_standing(history)}"
    yield f"  transaction {state.transaction_id or 'unknown'}, reason {state.reason_code or 'none'}"
    yield f"  owner {history.owner or 'nobody'}"
    yield "Steps"
    for step in history.steps:
        yield f"  {_step_line(step)}"
    yield "Files"
    for file in history.files:
        yield from _file_lines(file)
    if not history.files:
        yield "  In no file yet."
    for wait in history.waits:
        yield f"  {_wait_line(wait)}"
    yield from _credit_lines(history)
    yield f"Evidence: {evidence_status(history.evidence)}"
    yield "Records"
    for record in history.records:
        yield f"  {record_line(record)}"
    if not history.records:
        yield "  None."


def _file_lines(file: DisputeFile) -> Iterator[str]:
    record, answer = file.record, file.acknowledgement
    yield (
        f"  {record.file_name}  sequence {record.sequence}  {record.state.value}  "
        f"{record.remote_path or ''}"
    ).rstrip()
    yield f"    SHA-256 {record.content_sha256}{', verified there' if file.is_verified else ''}"
    if answer is not None:
        yield f"    acknowledged: {counts_of(answer)}"
    for line in file.rejected:
        yield f"    this dispute was rejected: {line.code} {line.reason}"


def _credit_lines(history: DisputeHistory) -> Iterator[str]:
    if history.credit is None:
        return
    currency = history.credit_currency or history.state.currency
    yield "Provisional credit"
    for posted in (history.credit.credit, history.credit.end):
        if posted is not None:
            yield f"  {posted.posted_on}  {posted.kind}  {_money(posted.amount_minor, currency)}"


def _wait_line(wait: DisputeWait) -> str:
    since = f"{wait.reason} since {wait.since:%Y-%m-%d %H:%M}, batch {wait.batch_id}"
    if wait.is_over:
        return f"waited: {since}; released into {wait.released_to} by {wait.released_by}"
    return f"waits: {since}"


def _standing(history: DisputeHistory) -> str:
    state, days_left = history.state, history.days_left
    if state.is_ended:
        return f"{state.outcome}, {_amount(state)}"
    due = "nobody says by when to answer"
    if days_left is not None:
        days = "1 day" if abs(days_left) == 1 else f"{abs(days_left)} days"
        left = f"{days} left" if days_left >= 0 else f"{days} overdue"
        due = f"answer by {state.reply_by_on} ({state.clock}; {left})"
    done = f", {history.decision.kind} recorded" if history.decision else ""
    return f"open at {state.opening.stage}, {_amount(state)}, {due}{done}"


def _step_line(step: DisputeStep) -> str:
    money = [_amount(step)]
    if step.settlement_amount_minor is not None and step.settlement_currency:
        money.append(f"settled {_money(step.settlement_amount_minor, step.settlement_currency)}")
    if step.fee_amount_minor is not None and step.fee_currency:
        money.append(f"fee {_money(step.fee_amount_minor, step.fee_currency)}")
    due = f", reply by {step.reply_by_on} ({step.clock})" if step.reply_by_on else ""
    flags = f", flags {', '.join(step.flags)}" if step.flags else ""
    return (
        f"{step.happened_at:%Y-%m-%d %H:%M}  {step.opening.stage} {step.action_sequence}  "
        f"{step.status or 'open'}  {', '.join(money)}{due}{flags}  "
        f"({step.source_file}, row {step.row_number})"
    )


def record_line(record: DisputeRecord) -> str:
    """What an operator recorded, for people."""
    request = record.request
    what = str(record.kind)
    if record.kind is RecordKind.ASSIGN:
        what = f"assigned to {request.owner or 'nobody'}"
    text = f": {request.text}" if request.text else ""
    return f"{record.recorded_at:%Y-%m-%d %H:%M}  {request.recorded_by}  {what}{text}"


def _amount(step: DisputeStep) -> str:
    return _money(step.amount_minor, step.currency)


def _money(amount_minor: int, currency: str) -> str:
    return f"{format_amount(amount_minor, currency)} {currency}"
