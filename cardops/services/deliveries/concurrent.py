"""Talk to several card companies at once; one that is down holds up no other.

Belongs here: one thread a destination, in which its files follow one another in order of their
sequence numbers, and the lines they report, which the caller's thread passes on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.services.deliveries.delivery import DeliveryService

# Four card companies and a few acquirers; more destinations than this wait for a thread.
MAX_DESTINATIONS_AT_ONCE: Final = 8
_REPORT_SECONDS: Final = 0.2
Work = TypeVar("Work")
Result = TypeVar("Result")
Report = Callable[[str], None]


def deliver_all(
    service: DeliveryService, files: Sequence[ChargebackFileRecord]
) -> list[ChargebackFileRecord]:
    """Deliver these files, and return their records afterwards, in the given order.

    A destination whose delivery fails unexpectedly ends alone; that error is raised when all others
    have ended.
    """
    by_destination: dict[str, list[ChargebackFileRecord]] = defaultdict(list)
    for record in sorted(files, key=lambda file: file.sequence):
        by_destination[record.destination].append(record)

    def deliver(own: Sequence[ChargebackFileRecord], report: Report) -> list[ChargebackFileRecord]:
        return _deliver_in_order(replace(service, report=report), own)

    results = all_at_once(deliver, list(by_destination.values()), service.report)
    delivered = {
        (record.batch_id, record.network): record for records in results for record in records
    }
    return [delivered[record.batch_id, record.network] for record in files]


def all_at_once(
    work: Callable[[Work, Report], Result], of_destinations: Sequence[Work], report: Report
) -> list[Result]:
    """Do the work of each destination in a thread of its own; results in the given order.

    One that fails unexpectedly ends alone; its error is raised when all others have ended.
    """
    if not of_destinations:
        return []
    lines: SimpleQueue[str] = SimpleQueue()
    workers = min(len(of_destinations), MAX_DESTINATIONS_AT_ONCE)
    with ThreadPoolExecutor(workers, thread_name_prefix="delivery") as pool:
        futures = [pool.submit(work, own, lines.put) for own in of_destinations]
        for line in _lines_until_done(lines, futures):
            report(line)
    return [future.result() for future in futures]


def _deliver_in_order(
    service: DeliveryService, files: Sequence[ChargebackFileRecord]
) -> list[ChargebackFileRecord]:
    return [service.deliver(file.batch_id, file.network) or file for file in files]


def _lines_until_done(
    lines: "SimpleQueue[str]", futures: "Sequence[Future[Result]]"
) -> Iterator[str]:
    """What was reported, as it comes, until every future has ended."""
    left = set(futures)
    while left:
        left = wait(left, timeout=_REPORT_SECONDS, return_when=FIRST_COMPLETED).not_done
        while True:
            try:
                yield lines.get_nowait()
            except Empty:
                break
