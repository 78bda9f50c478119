"""A card company that is down is left alone, with one alarm; the others and an operator are not."""

import pytest

from cardops.rules.deliveries.breakers import FAILURES_TO_OPEN
from cardops.rules.deliveries.records import (
    DeliveryState,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from cardops.rules.deliveries.retries import MAX_RUNS_A_TICK, RetryCount
from cardops.rules.deliveries.troubles import OF_ALL_FILES, Trouble
from cardops.services.deliveries.retrying import RetryService
from tests.services.deliveries.delivering import World


@pytest.fixture
def world() -> World:
    return World()


def test_only_the_first_file_waits_for_a_server_that_is_down(world: World) -> None:
    for number in range(3):
        world.make_file(f"b-{number}")
    world.make_file("b-0", "amex")
    world.be_down("visa")
    service = world.service()
    records = [service.deliver(f"b-{number}", "visa") for number in range(3)]
    amex = service.deliver("b-0", "amex")

    assert world.destinations.connections == ["visa"] * FAILURES_TO_OPEN + ["amex"]
    assert [record and record.attempt_count for record in records] == [FAILURES_TO_OPEN, 0, 0]
    assert {record.state for record in records if record} == {DeliveryState.MADE}
    assert amex is not None
    assert amex.state is DeliveryState.DELIVERED
    ((subject, message, _),) = world.notifier.alarms
    assert subject == "Deliveries to visa are paused"
    assert "visa is down. Check host, port and firewall" in message
    assert "left alone until 2026-11-20 12:0" in str(records[2] and records[2].last_error)


def test_one_delivery_tries_after_the_pause_and_raises_no_second_alarm(world: World) -> None:
    world.make_file("b-1")
    world.make_file("b-2")
    world.be_down("visa")
    service = world.service()
    service.deliver("b-1", "visa")
    world.destinations.connections.clear()
    world.clock.advance(minutes=1)
    service.deliver("b-1", "visa")
    service.deliver("b-2", "visa")

    assert world.destinations.connections == ["visa"], "more than one delivery tried"
    assert len(world.notifier.alarms) == 1


def test_success_closes_the_breaker(world: World) -> None:
    world.make_file("b-1")
    world.make_file("b-2")
    world.be_down("visa")
    service = world.service()
    service.deliver("b-1", "visa")
    world.be_down()
    world.clock.advance(minutes=1)

    for batch in ("b-1", "b-2"):
        record = service.deliver(batch, "visa")
        assert record is not None
        assert record.state is DeliveryState.DELIVERED
    assert world.breakers.find("visa").recovered_at == world.clock.now()


def test_card_company_that_is_down_is_one_incident_until_a_file_is_delivered(world: World) -> None:
    for number in range(3):
        world.make_file(f"b-{number}")
    world.be_down("visa")
    for _ in range(3):
        for number in range(3):
            world.service().deliver(f"b-{number}", "visa")
        world.clock.advance(minutes=30)
    assert world.notifier.open == {"delivery:visa": "Deliveries to visa are paused"}

    world.be_down()
    world.clock.advance(hours=1)
    world.service().deliver("b-0", "visa")

    assert world.notifier.open == {}
    ((incident, why),) = world.notifier.resolved
    assert incident == "delivery:visa"
    assert "was delivered to visa" in why


def test_operators_retry_asks_no_breaker(world: World) -> None:
    world.make_file("b-1")
    world.be_down("visa")
    service = world.service()
    service.deliver("b-1", "visa")
    world.be_down()
    record = service.retry("b-1", "visa", None, "ann")

    assert record is not None
    assert record.state is DeliveryState.DELIVERED
    assert world.breakers.find("visa").is_closed


def test_killed_trial_is_given_up_after_its_lease(world: World) -> None:
    world.make_file("b-1")
    world.be_down("visa")
    service = world.service()
    service.deliver("b-1", "visa")
    world.clock.advance(minutes=1)
    # What the process that was let through has recorded before it was killed.
    world.breakers.change("visa", lambda breaker: breaker.on_trial(world.clock.now()))
    world.be_down()

    waiting = service.deliver("b-1", "visa")
    assert waiting is not None
    assert waiting.state is DeliveryState.MADE
    world.clock.advance(minutes=5)
    record = service.deliver("b-1", "visa")
    assert record is not None
    assert record.state is DeliveryState.DELIVERED


def plan(world: World, counts: dict[tuple[str, str], RetryCount]) -> list[tuple[str, str]]:
    service = RetryService(world.ledger, world.notifier, world.breakers)
    return service.plan(world.clock.now(), counts=counts, busy_batches=set()).to_deliver


def test_files_of_a_server_that_is_down_take_no_run_from_others(world: World) -> None:
    down = [world.make_file(f"b-{number}") for number in range(MAX_RUNS_A_TICK + 2)]
    world.make_file("b-x", "amex")
    counts = {
        (record.batch_id, record.network): RetryCount(1, world.clock.now())
        for record in world.ledger.all()
    }
    world.be_down("visa")
    world.service().deliver(down[0].batch_id, "visa")
    breaker = world.breakers.find("visa")
    world.clock.advance(hours=3)
    world.breakers.values["visa"] = breaker.on_trial(world.clock.now())

    assert plan(world, counts) == [("b-x", "amex")]


def test_one_file_tries_for_all_of_a_server_and_all_follow_its_success(world: World) -> None:
    for number in range(3):
        world.make_file(f"b-{number}")
    counts = {
        (record.batch_id, record.network): RetryCount(4, world.clock.now())
        for record in world.ledger.all()
    }
    world.be_down("visa")
    world.service().deliver("b-0", "visa")
    world.clock.advance(hours=4)

    assert plan(world, counts) == [("b-0", "visa")]
    world.be_down()
    world.service().deliver("b-0", "visa")
    counts = {key: RetryCount(count.count, world.clock.now()) for key, count in counts.items()}
    world.clock.advance(seconds=1)
    assert plan(world, counts) == [], "tried since the recovery"
    earlier = world.clock.now().replace(minute=0, hour=0)
    counts = {key: RetryCount(count.count, earlier) for key, count in counts.items()}
    assert plan(world, counts) == [("b-1", "visa"), ("b-2", "visa")]


@pytest.mark.parametrize("trouble", [Trouble.UNREACHABLE, Trouble.CREDENTIALS])
def test_alarm_of_a_process_that_died_is_raised_once_by_the_next(
    world: World, trouble: Trouble
) -> None:
    world.make_file("b-1")
    world.make_file("b-2")
    kind = PermanentDeliveryError if trouble is Trouble.CREDENTIALS else TransientDeliveryError

    def refuse(destination: str) -> None:
        raise kind(f"{destination} is troubled.", trouble)

    world.destinations.before_connect = refuse
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.notifier, "notify", die)
        with pytest.raises(InterruptedError):
            world.service().deliver("b-1", "visa")
    world.service().deliver("b-2", "visa")
    assert not world.notifier.alarms, "it may be about to raise it"

    world.clock.advance(minutes=2)
    for _ in range(2):
        plan(world, {})

    ((subject, message, _),) = world.notifier.alarms
    assert subject == "Deliveries to visa are paused"
    assert "visa is troubled." in message


@pytest.mark.parametrize("trouble", sorted(OF_ALL_FILES))
def test_what_no_file_gets_past_is_one_alarm(world: World, trouble: Trouble) -> None:
    for number in range(3):
        world.make_file(f"b-{number}")

    def refuse(_: str) -> None:
        raise PermanentDeliveryError("visa is not what was expected.", trouble)

    world.destinations.before_connect = refuse
    service = world.service()
    states = [getattr(service.deliver(f"b-{number}", "visa"), "state", None) for number in range(3)]

    assert states == [DeliveryState.FAILED, DeliveryState.MADE, DeliveryState.MADE]
    assert len(world.destinations.connections) == len(world.notifier.alarms) == 1
    # A day later one file asks whether it is mended, and the same holds for it.
    world.clock.advance(days=1)
    for number in range(3):
        service.deliver(f"b-{number}", "visa")
    assert len(world.destinations.connections) == len(world.notifier.alarms) == 1 + 1

    world.destinations.before_connect = lambda _: None
    for number in range(3):
        service.retry(f"b-{number}", "visa", None, "ann")
    assert {record.state for record in world.ledger.all()} == {DeliveryState.DELIVERED}


def die(*_: object, **__: object) -> None:
    raise InterruptedError
