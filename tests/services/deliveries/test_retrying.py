"""Retry plans for undelivered files, without Dagster."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.deliveries.retries import MAX_RETRIES, RetryCount
from cardops.services.deliveries.retrying import FileKey, RetryService
from tests.factories.deliveries import a_made_file
from tests.fakes.breakers import FakeBreakers
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=5)
FILE: FileKey = ("b-1", "visa")


def a_service(state: DeliveryState = DeliveryState.MADE) -> RetryService:
    ledger = FakeDeliveryLedger()
    record = a_made_file(ledger, FakeObjectStore(), "b-1")
    ledger.record(replace(record, state=state))
    return RetryService(ledger, FakeNotifier(), FakeBreakers())


def test_newly_seen_file_waits_for_its_own_run() -> None:
    plan = a_service().plan(NOW, counts={}, busy_batches=set())

    assert plan.to_deliver == []
    assert plan.counts == {FILE: RetryCount(0, NOW)}


def test_due_file_is_planned_and_counted() -> None:
    plan = a_service().plan(NOW, counts={FILE: RetryCount(3, EARLIER)}, busy_batches=set())

    assert plan.to_deliver == [FILE]
    assert plan.counts == {FILE: RetryCount(4, NOW)}


def test_busy_batch_keeps_its_count() -> None:
    plan = a_service().plan(NOW, counts={FILE: RetryCount(3, EARLIER)}, busy_batches={"b-1"})

    assert plan.to_deliver == []
    assert plan.counts == {FILE: RetryCount(3, EARLIER)}


def test_file_without_retries_left_raises_one_alarm() -> None:
    service = a_service()
    last = {FILE: RetryCount(MAX_RETRIES, EARLIER)}

    given_up = service.plan(NOW, counts=last, busy_batches=set())
    later = service.plan(NOW + timedelta(days=1), counts=given_up.counts, busy_batches=set())

    assert given_up.to_deliver == later.to_deliver == []
    assert isinstance(service.notifier, FakeNotifier)
    assert len(service.notifier.alarms) == 1


def test_failed_file_is_not_planned() -> None:
    plan = a_service(DeliveryState.FAILED).plan(
        NOW, counts={FILE: RetryCount(3, EARLIER)}, busy_batches=set()
    )

    assert (plan.undelivered, plan.to_deliver, plan.counts) == (0, [], {})
