"""One dispute as one HTML page that needs nothing beside itself: no network, no script.

Belongs here: the page's words and their order. How it looks is in dispute.html; everything that the page
prints is escaped there, because notes, names and case numbers are written by others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from cardops.rules.chargebacks.evidence import FilledManifest, Need
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.filing import DisputeWait, WaitReason
from cardops.rules.chargebacks.queue import DisputeRecord, DisputeStep, RecordKind
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.deliveries.acknowledgements import counts_of
from cardops.rules.provisional.records import CreditRecord, PostingKind
from cardops.services.disputes.history import DisputeFile, DisputeHistory
from cardops.services.reports.amounts import money
from cardops.services.reports.templates import environment

TEMPLATE: Final = "dispute.html"
SOON_DAYS: Final = 3
CLOCKS: Final = {
    "feed": "the feed names the day",
    "processor": "the processor's own clock",
    "published": "the network's published days",
}
WAITS: Final = {
    WaitReason.FILES_NOT_MADE: "the files of its batch are about to be made",
    WaitReason.BATCH_UNFINISHED: "another file of its batch is still being ingested",
    WaitReason.FILE_UNFINISHED: "the file that it came in is still being ingested",
    WaitReason.FILE_HELD: "the file that it came in is held",
    WaitReason.FILE_DEAD: "the file that it came in was given up",
    WaitReason.REFUNDED_ALREADY: "held by the program's policy: the purchase was refunded already",
    WaitReason.DUPLICATE_CASE: "held by the program's policy: another case disputes the same",
    WaitReason.FAILED_PAYMENT: "held by the program's policy: the payment had failed",
    WaitReason.REJECTED: "the card company rejected it",
}
NEEDS: Final = {
    Need.REQUIRED: "required",
    Need.ONE_OF: "one of these",
    Need.HELPFUL: "helpful",
}
_POSTINGS: Final = {
    PostingKind.CREDIT: "Provisional credit to the user",
    PostingKind.FINAL: "Provisional credit made final",
    PostingKind.TAKEN_BACK: "Provisional credit taken back",
}
_DONE: Final = {
    RecordKind.NOTE: "Note",
    RecordKind.ACCEPT: "Accepted: the money stays with the cardholder",
    RecordKind.CLOSE: "Closed here: nothing is sent",
    RecordKind.REOPEN: "Put back into the queue",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the dispute stands, in words and a sign beside the colour."""

    tone: str
    sign: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount; nothing is added up across currencies."""

    what: str
    currency: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at one moment. `at` may be a date alone, which sorts at its start."""

    at: datetime | date
    kind: str
    title: str
    lines: Sequence[str] = ()

    @property
    def moment(self) -> datetime:
        """The instant by which it is put in order."""
        if isinstance(self.at, datetime):
            return self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)
        return datetime.combine(self.at, time(), UTC)

    @property
    def when(self) -> str:
        """The minute, or the date where nobody says more."""
        return minute(self.at) if isinstance(self.at, datetime) else self.at.isoformat()


def render_dispute(history: DisputeHistory, made_at: datetime) -> str:
    """The whole page."""
    state = history.state
    reason = find_reason(history.key.network, state.reason_code)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            history=history,
            key=history.key,
            state=state,
            made_at=minute(made_at),
            minute=minute,
            words=words,
            standing=standing_of(history),
            reason=reason.description if reason else "",
            opened_on=min(step.dispute_date for step in history.steps),
            clock=CLOCKS.get(state.clock or "", ""),
            amounts=list(amounts_of(history)),
            waits=[wait for wait in history.waits if not wait.is_over],
            why=why_waiting,
            events=sorted(events_of(history), key=lambda event: event.moment),
            notes=[(record, _title(record)) for record in history.records],
            counts_of=counts_of,
            needs=NEEDS,
            missing=missing_evidence(history.evidence.filled),
        )
    )


def minute(instant: datetime) -> str:
    """An instant in UTC, to the minute."""
    in_utc = instant.astimezone(UTC) if instant.tzinfo else instant
    return f"{in_utc:%Y-%m-%d %H:%M}"


def words(name: str) -> str:
    """A stage or state as it is read: pre-arbitration, pending response."""
    return name.replace("pre_", "pre-").replace("_", " ")


def why_waiting(wait: DisputeWait) -> str:
    """Why a row of it is in no file, in words."""
    known = {str(reason): words for reason, words in WAITS.items()}
    return known.get(wait.reason, words(wait.reason))


def standing_of(history: DisputeHistory) -> Standing:
    """The first thing to know: ended, decided here, overdue, or by when to answer."""
    state, days_left = history.state, history.days_left
    if state.is_ended:
        return Standing(
            "ended", "■", f"Ended: {words(state.outcome)}", "Nothing is to be answered."
        )
    if history.decision is not None:
        what = _title(history.decision)
        by = history.decision.request.recorded_by
        return Standing("ended", "■", what, f"By {by}, {minute(history.decision.recorded_at)} UTC.")
    at = f"Open at the stage {words(state.opening.stage)}"
    if days_left is None:
        return Standing("open", "○", at, "Nobody says by when to answer.")
    due = f"Last day {state.reply_by_on}: {CLOCKS.get(state.clock or '', 'its clock')}."
    if days_left < 0:
        return Standing("bad", "▲", f"{at}, {_days(-days_left)} overdue", due)
    tone, sign = ("soon", "▲") if days_left <= SOON_DAYS else ("open", "○")
    return Standing(tone, sign, f"{at}, {_days(days_left)} left to answer", due)


def missing_evidence(filled: FilledManifest) -> str:
    """What is required and not there, in words; empty where nothing is."""
    choice = {item.item.name for item in filled.items if item.item.need is Need.ONE_OF}
    required = [words(name) for name in filled.missing if name not in choice]
    one_of = [words(name) for name in filled.missing if name in choice]
    return ", ".join([*required, *([f"one of {' / '.join(one_of)}"] if one_of else [])])


def amounts_of(history: DisputeHistory) -> Iterator[Amount]:
    """The disputed amount as it is now, what was settled, fees, and what the user was given back."""
    state = history.state
    yield Amount(
        "In dispute", state.currency, money(state.amount_minor, state.currency), "latest step"
    )
    fees = dict[str, int]()
    settled: DisputeStep | None = None
    for step in history.steps:
        if step.fee_amount_minor is not None and step.fee_currency:
            fees[step.fee_currency] = fees.get(step.fee_currency, 0) + step.fee_amount_minor
        if step.settlement_amount_minor is not None:
            settled = step
    if settled is not None and settled.settlement_amount_minor is not None:
        currency = settled.settlement_currency or ""
        text = money(settled.settlement_amount_minor, currency)
        yield Amount("Settled with the card company", currency, text, "latest that says so")
    for currency, fee_minor in sorted(fees.items()):
        yield Amount("Fees", currency, money(fee_minor, currency), "all steps")
    credit = history.credit
    currency = history.credit_currency or state.currency
    for posted in (credit.credit, credit.end) if credit else ():
        if posted is not None:
            text = money(posted.amount_minor, currency)
            yield Amount(_POSTINGS[posted.kind], currency, text, f"posted {posted.posted_on}")


def events_of(history: DisputeHistory) -> Iterator[Event]:
    """Everything that has a time, in no order."""
    for step in history.steps:
        yield _step(step)
    for record in history.records:
        by = f"by {record.request.recorded_by}"
        lines = (by, record.request.text) if record.request.text else (by,)
        yield Event(record.recorded_at, "record", _title(record), lines)
    for file in history.files:
        yield from _file(file)
    for wait in history.waits:
        yield from _wait(wait)
    for package in history.evidence.packages:
        told = [f"by {package.sent_by}", *([package.why] if package.why else [])]
        yield Event(package.sent_at, "file", _sent(package), told)
    if history.credit is not None:
        yield from _credit(history.credit)


def _sent(package: EvidencePackage) -> str:
    if not package.has_evidence:
        return f"The acceptance goes with batch {package.batch_id}"
    count = len(package.files)
    files = "1 file" if count == 1 else f"{count} files"
    return f"Evidence goes with batch {package.batch_id}: {files}"


def _wait(wait: DisputeWait) -> Iterator[Event]:
    yield Event(wait.since, "wait", "Waits", (why_waiting(wait), f"batch {wait.batch_id}"))
    if wait.released_at is not None:
        lines = (f"by {wait.released_by}", wait.release_reason or "")
        yield Event(wait.released_at, "wait", f"Released into batch {wait.released_to}", lines)


def _credit(credit: CreditRecord) -> Iterator[Event]:
    for posted in (credit.credit, credit.end):
        if posted is not None:
            yield Event(posted.posted_on, "money", _POSTINGS[posted.kind])
    for kind, sent_on in credit.notices.items():
        yield Event(sent_on, "record", f"The user was told: {words(kind)}")
    decision = credit.decision
    if decision is not None:
        title = f"Provisional credit {decision.kind}"
        lines = (f"by {decision.decided_by}", decision.why)
        yield Event(decision.decided_on, "record", title, lines)


def _step(step: DisputeStep) -> Event:
    due = (
        f"answer by {step.reply_by_on}, {CLOCKS.get(step.clock or '', '')}"
        if step.reply_by_on
        else ""
    )
    extra = [
        f"{name} {money(amount_minor, currency)} {currency}"
        for name, amount_minor, currency in (
            ("settled", step.settlement_amount_minor, step.settlement_currency),
            ("fee", step.fee_amount_minor, step.fee_currency),
        )
        if amount_minor is not None and currency
    ]
    flags = f"flags: {', '.join(step.flags)}" if step.flags else ""
    source = f"{step.source_file}, row {step.row_number}"
    title = f"{words(step.opening.stage)}, step {step.action_sequence}: {words(step.status or 'open')}, "
    return Event(
        step.happened_at,
        "step",
        f"{title}{money(step.amount_minor, step.currency)} {step.currency}",
        [line for line in (", ".join(extra), due, flags, source) if line],
    )


def _file(file: DisputeFile) -> Iterator[Event]:
    record, answer = file.record, file.acknowledgement
    if record.made_at is not None:
        lines = (record.file_name, f"now {words(record.state.value)}")
        yield Event(record.made_at, "file", f"In the file for {record.destination}", lines)
    if answer is not None:
        rejected = [f"rejected: {line.code} {line.reason}" for line in file.rejected]
        title = f"{record.destination} acknowledged: {counts_of(answer)}"
        yield Event(answer.read_at, "file", title, rejected)


def _title(record: DisputeRecord) -> str:
    if record.kind is RecordKind.ASSIGN:
        return f"Assigned to {record.request.owner or 'nobody'}"
    return _DONE[record.kind]


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
