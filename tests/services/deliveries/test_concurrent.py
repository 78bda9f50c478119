"""Several card companies at once: none waits for another, and reports come from the caller's thread."""

from threading import Event, current_thread, main_thread

import pytest

from cardops.rules.deliveries.records import DeliveryState
from cardops.services.deliveries.concurrent import deliver_all
from cardops.services.deliveries.members import Member
from cardops.services.deliveries.session import _Watched
from tests.services.deliveries.delivering import World

NETWORKS = ("visa", "mastercard", "amex", "discover")


@pytest.fixture
def world() -> World:
    return World()


def test_blocked_card_company_holds_up_no_other(world: World) -> None:
    files = [world.make_file("b-1", network) for network in NETWORKS]
    others_are_done = Event()
    world.destinations.before_connect = lambda name: (
        None if name != "visa" or others_are_done.wait(30) else pytest.fail("visa held them up")
    )

    def report(line: str) -> None:
        assert current_thread() is main_thread()
        world.lines.append(line)
        if sum("delivered as" in reported for reported in world.lines) == 3:
            others_are_done.set()

    service = world.service()
    object.__setattr__(service, "report", report)
    records = deliver_all(service, files)

    assert [record.network for record in records] == list(NETWORKS)
    assert {record.state for record in records} == {DeliveryState.DELIVERED}
    assert "delivered as" in world.lines[-1]
    assert world.lines[-1].startswith("visa: ")


def test_files_of_one_destination_follow_their_sequence(world: World) -> None:
    files = [world.make_file(f"b-{number}") for number in range(4)]
    records = deliver_all(world.service(), files[::-1])

    assert [record.sequence for record in records] == [4, 3, 2, 1]
    delivered = [line for line in world.lines if "delivered as" in line]
    assert delivered == sorted(delivered)


def test_unexpected_error_of_one_is_raised_when_the_others_have_ended(world: World) -> None:
    files = [world.make_file("b-1", network) for network in NETWORKS]

    def fail(name: str) -> None:
        if name == "amex":
            raise ZeroDivisionError

    world.destinations.before_connect = fail
    with pytest.raises(ZeroDivisionError):
        deliver_all(world.service(), files)

    states = {record.network: record.state for record in world.ledger.all()}
    assert states.pop("amex") is DeliveryState.MADE
    assert set(states.values()) == {DeliveryState.DELIVERED}


def test_nothing_to_deliver_is_no_error(world: World) -> None:
    assert deliver_all(world.service(), []) == []


def test_progress_of_a_large_file_is_reported_in_tenths(world: World) -> None:
    record = world.make_file()
    key = f"chargebacks/b-1/{record.file_name}"
    world.store.contents[key] += b" " * 9_000_000
    large = world.store.contents[key]
    lines: list[str] = []

    watched = _Watched(world.store.open(key), Member(key, "/x", "", len(large)), lines.append)
    while watched.read(100_000):
        pass

    assert len(lines) == 10
    assert lines[-1] == f"{len(large):,} of {len(large):,} bytes sent"
