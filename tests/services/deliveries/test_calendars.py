"""Files that miss the cut-off of their card company: one alarm each."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cardops.rules.deliveries.records import DeliveryState
from cardops.services.deliveries.calendars import CutOffService
from tests.services.deliveries.delivering import World

MADE_AT = datetime(2026, 11, 25, 15, tzinfo=UTC)  # the eve of Thanksgiving, 10:00 in New York


@pytest.fixture
def world() -> World:
    world = World()
    world.destinations.parts["visa"] = {
        "cut_off": "17:00",
        "time_zone": "America/New_York",
        "holidays": "US",
    }
    return world


def make_file(world: World, network: str = "visa") -> None:
    record = world.make_file("b-1", network)
    world.ledger.records["b-1", network] = replace(record, made_at=MADE_AT)


def missed_at(world: World, *at: int) -> list[str]:
    service = CutOffService(world.ledger, world.destinations, world.notifier)
    found = service.alarm_missed(datetime(2026, 11, *at, tzinfo=UTC))
    return [record.network for record in found]


def test_undelivered_file_raises_one_alarm_after_its_cut_off(world: World) -> None:
    make_file(world)
    make_file(world, "amex")  # has no cut-off

    assert missed_at(world, 25, 22, 0) == []
    assert missed_at(world, 25, 22, 1) == ["visa"]
    assert missed_at(world, 30, 0, 0) == []
    ((subject, message, _),) = world.notifier.alarms
    assert subject.endswith("missed the cut-off of visa")
    assert "by 17:00:00 America/New_York on 2026-11-25" in message


def test_failed_file_misses_its_cut_off_too_and_a_delivered_one_does_not(world: World) -> None:
    make_file(world)
    record = world.ledger.records["b-1", "visa"]
    world.ledger.record(replace(record, state=DeliveryState.DELIVERED))
    assert missed_at(world, 26, 0, 0) == []

    world.ledger.record(replace(record, state=DeliveryState.FAILED))
    assert missed_at(world, 26, 0, 0) == ["visa"]


def test_destination_without_usable_settings_is_left_to_its_deliveries(world: World) -> None:
    make_file(world)
    world.destinations.parts["visa"]["port"] = "none"

    assert missed_at(world, 26, 0, 0) == []


def test_delivery_records_for_which_day_it_counts(world: World) -> None:
    make_file(world)
    world.clock.at = datetime(2026, 11, 25, 22, 30, tzinfo=UTC)
    record = world.service().deliver("b-1", "visa")

    assert record is not None
    assert record.counts_on == date(2026, 11, 27)
