"""Deliver the files of several card companies at once; one that is down holds up no other.

Belongs here: one thread a destination, in which its files follow one another in order of their
sequence numbers, and the lines they report, which the caller's thread passes on.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Final

from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.services.deliveries.delivery import DeliveryService

# Four card companies and a few acquirers; more destinations than this wait for a thread.
MAX_DESTINATIONS_AT_ONCE: Final = 8
_REPORT_SECONDS: Final = 0.2


def deliver_all(
    service: DeliveryService, files: Sequence[ChargebackFileRecord]
) -> list[ChargebackFileRecord]:
    """Deliver these files, and return their records afterwards, in the given order.

    A destination whose delivery fails unexpectedly ends alone; that error is raised when all others
    have ended.
    """
    lines: SimpleQueue[str] = SimpleQueue()
    quiet = replace(service, report=lines.put)
    by_destination: dict[str, list[ChargebackFileRecord]] = defaultdict(list)
    for record in sorted(files, key=lambda file: file.sequence):
        by_destination[record.destination].append(record)
    if not by_destination:
        return []
    workers = min(len(by_destination), MAX_DESTINATIONS_AT_ONCE)
    with ThreadPoolExecutor(workers, thread_name_prefix="delivery") as pool:
        futures = [pool.submit(_deliver_in_order, quiet, own) for own in by_destination.values()]
        for line in _lines_until_done(lines, futures):
            service.report(line)
    delivered = {
        (record.batch_id, record.network): record
        for future in futures
        for record in future.result()
    }
    return [delivered[record.batch_id, record.network] for record in files]


def _deliver_in_order(
    service: DeliveryService, files: Sequence[ChargebackFileRecord]
) -> list[ChargebackFileRecord]:
    return [service.deliver(file.batch_id, file.network) or file for file in files]


def _lines_until_done(
    lines: "SimpleQueue[str]", futures: "Sequence[Future[list[ChargebackFileRecord]]]"
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
