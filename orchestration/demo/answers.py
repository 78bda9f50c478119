"""Reads what the card companies answered, and sends rejected rows once more.

Belongs here: the runs, in order. What the answers must be is compared in orchestration.demo.truth.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cardops.bootstrap import Adapters
from cardops.rules.deliveries.acknowledgements import AcknowledgementOutcome, standing
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from orchestration.demo.books import DemoBooks
from orchestration.local.in_process import InProcessRuns

POLL = "acknowledgement_poll"


@dataclass(slots=True)
class Answers:
    """By card company, files without an answer after the first look; and what failed."""

    late: dict[str, int] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)


def read_answers(adapters: Adapters, books: DemoBooks, runs: InProcessRuns) -> Answers:
    """Poll, deliver the batches that rejected rows went into, and poll again."""
    answers = Answers()
    runs.run(POLL)
    answers.late = _unanswered(adapters, books.records())
    answers.failed_checks += deliver_undelivered(adapters, books, runs)
    runs.run(POLL)
    return answers


def _unanswered(adapters: Adapters, records: Sequence[ChargebackFileRecord]) -> dict[str, int]:
    stored = adapters.acknowledgements.of_batches([record.batch_id for record in records])
    answered = standing(stored)
    return dict(
        Counter(
            record.network
            for record in records
            if (record.batch_id, record.network) not in answered
        )
    )


def deliver_undelivered(adapters: Adapters, books: DemoBooks, runs: InProcessRuns) -> list[str]:
    """Make and deliver the program's batches that are not; the checks that failed."""
    return [
        check
        for batch_id in _undelivered_batches(adapters, books)
        for check in runs.deliver(batch_id).failed_checks
    ]


def _undelivered_batches(adapters: Adapters, books: DemoBooks) -> list[str]:
    """The program's batches to make, and those of a demo that was interrupted while it delivered them."""
    waiting = WaitingDisputes(adapters.intake_ledger, adapters.lake)
    unmade = {batch.batch_id for batch in waiting.batches_to_make(books.program)}
    made = {
        record.batch_id for record in books.records() if record.state is not DeliveryState.DELIVERED
    }
    return sorted(unmade | made)


def answered(
    adapters: Adapters, books: DemoBooks, records: Sequence[ChargebackFileRecord]
) -> dict[str, dict[str, Any]]:
    """What each card company answered about the program's files, as the ledger has it."""
    ledger = adapters.acknowledgements
    stored = ledger.of_batches([record.batch_id for record in records])
    matched = standing(stored)
    repeated = Counter(
        answer.network for answer in stored if answer.outcome is AcknowledgementOutcome.REPEATED
    )
    resent = resent_batches(adapters, records)
    received = books.received([record for record in records if record.batch_id in resent])
    found = dict[str, dict[str, Any]]()
    for network in sorted({record.network for record in records}):
        own = [answer for answer in matched.values() if answer.network == network]
        reasons = Counter(
            row.line.code
            for answer in own
            if answer.rejected_count
            for row in ledger.rejections(str(answer.batch_id), network)
        )
        found[network] = {
            "files": len(own),
            "accepted": sum(answer.accepted_count or 0 for answer in own),
            "rejected": sum(answer.rejected_count or 0 for answer in own),
            "reasons": dict(sorted(reasons.items())),
            "resent": received.get(network, {"rows": 0, "totals": {}}),
            "repeated": repeated[network],
        }
    return found


def resent_batches(adapters: Adapters, records: Sequence[ChargebackFileRecord]) -> set[str | None]:
    """Batches of rows that were rejected in an earlier one."""
    stored = adapters.acknowledgements.of_batches([record.batch_id for record in records])
    return {answer.reopened_to for answer in stored} - {None}
