"""What needs a person today: the first thing on the report, each with its money and its runbook.

Belongs here: which figures need somebody, and the sentence that says so. The figures themselves are
below on the page, under `anchor`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cardops.rules.deliveries.acknowledgements import Verdict
from cardops.rules.deliveries.records import DeliveryState
from cardops.services.reports.failed_parts import failed_sentences
from cardops.services.reports.figures import (
    ReportFigures,
    records_of,
    totals_by_currency,
)
from cardops.services.reports.open_alarms import NOT_CONFIRMED

_SOON: Final = ("0 to 1", "2 to 3", "4 to 7")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that somebody must do. `is_urgent`: money is at risk, or a date has passed."""

    sentence: str
    anchor: str
    runbook: str
    is_urgent: bool = False
    totals_minor: Mapping[str, int] = field(default_factory=dict)


def needs_of(figures: ReportFigures) -> list[Need]:
    """Everything that needs a person, what is urgent first; nothing where all is well."""
    found = [
        *_of_failed_parts(figures),
        *_of_books(figures),
        *_of_disputes(figures),
        *_of_deliveries(figures),
        *_of_files(figures),
        *_of_monitoring(figures),
        *_of_alarms(figures),
        *_of_rings(figures),
    ]
    return sorted(found, key=lambda need: not need.is_urgent)


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def _of_failed_parts(figures: ReportFigures) -> Iterator[Need]:
    """First of all: what is below is not all of this close."""
    for sentence in failed_sentences(figures):
        yield Need(sentence, "failed-parts", "run-failure.md", is_urgent=True)


def _of_books(figures: ReportFigures) -> Iterator[Need]:
    if figures.break_count:
        money = [row for row in records_of(figures.break_totals) if row["unit"] == "minor"]
        yield Need(
            f"{counted(figures.break_count, 'reconciliation break')}: the books do not close.",
            "breaks",
            "reconciliation-breaks.md",
            is_urgent=True,
            totals_minor=totals_by_currency(money, "difference_minor"),
        )
    if not figures.is_closed:
        yield Need(
            "This day was not closed: it has no closing balances, and its books were not compared.",
            "balances",
            "run-failure.md",
            is_urgent=True,
        )
    if len(figures.failed_tests):
        yield Need(
            f"{counted(len(figures.failed_tests), 'test')} of the marts failed in the newest build, which "
            "was not published.",
            "failed-tests",
            "run-failure.md",
            is_urgent=True,
        )
    safeguarding = [row for row in records_of(figures.safeguarding) if row["is_break"]]
    if safeguarding:
        verb = "does" if len(safeguarding) == 1 else "do"
        yield Need(
            f"{counted(len(safeguarding), 'safeguarding check')} {verb} not pass: money at the bank "
            "against money owed to users.",
            "safeguarding",
            "safeguarding.md",
            is_urgent=True,
        )
    balances = records_of(figures.balances)
    below_zero = sum(row["below_zero"] for row in balances)
    if below_zero:
        yield Need(
            f"{counted(below_zero, 'account')} below zero.",
            "balances",
            "negative-balance.md",
            totals_minor={
                currency: minor
                for currency, minor in totals_by_currency(balances, "below_zero_minor").items()
                if minor
            },
        )
    match_breaks = sum(figures.match_breaks_by_kind.values())
    if match_breaks:
        kinds = ", ".join(
            f"{kind} {count:,}" for kind, count in figures.match_breaks_by_kind.items()
        )
        verb = "does" if match_breaks == 1 else "do"
        yield Need(
            f"{counted(match_breaks, 'transaction')} {verb} not match between authorizations, "
            f"settlements and disputes: {kinds}.",
            "match-breaks",
            "match-breaks.md",
        )


def _of_disputes(figures: ReportFigures) -> Iterator[Need]:
    queue = records_of(figures.queue)
    overdue = [row for row in queue if row["due_band"] == "overdue"]
    if overdue:
        yield Need(
            f"{_disputes(overdue)} overdue: the reply-by date has passed without a decision.",
            "overdue",
            "dispute-deadlines.md",
            is_urgent=True,
            totals_minor=totals_by_currency(overdue),
        )
    soon = [row for row in queue if row["due_band"] in _SOON]
    if soon:
        at_once = [row for row in soon if row["due_band"] == _SOON[0]]
        first = f", {sum(row['disputes'] for row in at_once):,} of them today or tomorrow"
        yield Need(
            f"{_disputes(soon)} to answer within seven days{first if at_once else ''}.",
            "deadlines",
            "dispute-deadlines.md",
            is_urgent=bool(at_once),
            totals_minor=totals_by_currency(soon),
        )
    waiting = records_of(figures.waiting)
    if waiting:
        count = sum(row["dispute_count"] for row in waiting)
        yield Need(
            f"{counted(count, 'accepted dispute')} in no chargeback file at the close: "
            f"{_listed(Counter({row['reason']: 0 for row in waiting}), waiting, 'dispute_count')}.",
            "waiting",
            "waiting-disputes.md",
            totals_minor=totals_by_currency(waiting),
        )
    provisional = records_of(figures.provisional_totals)
    if provisional:
        cases = counted(sum(row["cases"] for row in provisional), "disputed amount")
        yield Need(
            f"{cases} with a decision, a notice or a missed clock for a person.",
            "provisional",
            "disputed-money.md",
            totals_minor=totals_by_currency(provisional),
        )


def _of_deliveries(figures: ReportFigures) -> Iterator[Need]:
    undelivered = figures.operations.undelivered
    for state, words in (
        (DeliveryState.DELIVERED_UNCONFIRMED, "may have been collected: ask the card company"),
        (DeliveryState.FAILED, "could not be delivered, and no retry will do it"),
        (DeliveryState.SENDING, "on the way"),
        (DeliveryState.MADE, "made and not delivered yet"),
    ):
        files = [record for record in undelivered if record.state is state]
        if files:
            totals = Counter[str]()
            for record in files:
                totals.update(record.totals_minor)
            yield Need(
                f"{counted(len(files), 'chargeback file')} {words}.",
                "batch-files",
                "chargeback-delivery.md",
                is_urgent=state in {DeliveryState.DELIVERED_UNCONFIRMED, DeliveryState.FAILED},
                totals_minor=totals,
            )
    answers = records_of(figures.acknowledgements)
    missing = {row["file_name"] for row in answers if row["verdict"] == Verdict.MISSING}
    if missing:
        rows = sum(row["row_count"] for row in answers if row["verdict"] == Verdict.MISSING)
        yield Need(
            f"{counted(len(missing), 'chargeback file')} ({counted(rows, 'row')}) without an "
            "acknowledgement in time.",
            "acknowledgements",
            "acknowledgement-alarms.md",
            is_urgent=True,
        )
    late = {row["file_name"] for row in answers if row["is_late"]} - missing
    if late:
        yield Need(
            f"{counted(len(late), 'acknowledgement')} came late.",
            "acknowledgements",
            "acknowledgement-alarms.md",
        )


def _of_files(figures: ReportFigures) -> Iterator[Need]:
    operations = figures.operations
    for state, words, runbook in (
        ("dead", "given up after repeated failures", "intake-file-dead.md"),
        ("refused", "refused whole; nothing of it was taken", "quarantine.md"),
        ("held", "held for an approval or a control file", "held-file.md"),
        ("missing", "expected and not here", "late-file.md"),
    ):
        files = [file for file in operations.stopped if file.state == state]
        if files:
            totals = Counter[str]()
            for file in files:
                totals.update(file.totals_minor)
            yield Need(
                f"{counted(len(files), 'file')} {words}.",
                "stopped",
                runbook,
                is_urgent=state == "dead",
                totals_minor=totals,
            )
    if operations.quarantined_rows:
        reasons = Counter[str]()
        for row in operations.quarantined:
            reasons[row.reason] += row.row_count
        listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        yield Need(
            f"{counted(operations.quarantined_rows, 'row')} quarantined of "
            f"{operations.read_rows:,} read: {listed}.",
            "quarantine",
            "quarantine.md",
        )
    overdue = sum(rows.overdue_count for rows in operations.waiting)
    if overdue:
        yield Need(
            f"{counted(overdue, 'quarantined row')} waiting too long for what they refer to.",
            "waiting-rows",
            "quarantine.md",
        )


def _of_monitoring(figures: ReportFigures) -> Iterator[Need]:
    for row in records_of(figures.monitoring_levels):
        is_reached = row["alarm_level"] == "reached"
        words = {"reached": "reached", "forecast": "is forecast to reach", "near": "is near"}
        several = {"reached": "reached", "forecast": "are forecast to reach", "near": "are near"}
        verb = (words if row["merchants"] == 1 else several)[row["alarm_level"]]
        yield Need(
            f"{counted(row['merchants'], 'merchant')} of {row['program']} {verb} the line of "
            f"{row['programme']} in this month.",
            "monitoring",
            "monitoring-programmes.md",
            is_urgent=is_reached,
        )


def _of_alarms(figures: ReportFigures) -> Iterator[Need]:
    """One need for each runbook and state."""
    groups = Counter((alarm.runbook, alarm.state) for alarm in figures.alarms)
    for (runbook, state), count in groups.items():
        is_lost = state == NOT_CONFIRMED
        words = (
            "may not have been sent: the process ended before it said so"
            if is_lost
            else "still true"
        )
        yield Need(f"{counted(count, 'alarm')} {words}.", "alarms", runbook, is_urgent=is_lost)


def _of_rings(figures: ReportFigures) -> Iterator[Need]:
    rings = figures.rings
    if rings is None or rings.as_of_on != figures.business_date:
        return
    found = [ring for ring in rings.rings if ring.is_new]
    if rings.new_ring_count:
        totals = Counter[str]()
        for ring in found:
            totals.update(ring.disputed_minor)
        yield Need(
            f"{counted(rings.new_ring_count, 'new fraud ring')} since the snapshot before, of "
            f"{rings.ring_count:,} in all{'; disputed in the largest of them:' if totals else '.'}",
            "rings",
            "fraud-rings.md",
            totals_minor=totals,
        )
    if rings.oversized_ring_count:
        verb = "is" if rings.oversized_ring_count == 1 else "are"
        yield Need(
            f"{counted(rings.oversized_ring_count, 'fraud ring')} {verb} larger than the limit of a ring.",
            "rings",
            "fraud-rings.md",
        )


def _disputes(rows: Sequence[Mapping[str, int]]) -> str:
    return counted(sum(row["disputes"] for row in rows), "dispute")


def _listed(counts: Counter[str], rows: Sequence[Mapping[str, object]], name: str) -> str:
    for row in rows:
        counts[str(row["reason"])] += int(str(row[name]))
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
