"""Figures and pictures of rings, as people see them."""

from datetime import date

import pytest
from defusedxml import ElementTree

from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.services.fraud.figures import RingFigures, ring_figures
from cardops.services.fraud.picture import draw_ring, sheet_of
from tests.factories.fraud_rings import a_ring, a_snapshot
from tests.fakes.lake import FakeLake

DAY = date(2026, 11, 20)
SVG = "{http://www.w3.org/2000/svg}"


def a_money(ring_id: str, currency: str, minor: int) -> dict[str, object]:
    return {
        "ring_id": ring_id,
        "program": "default",
        "currency": currency,
        "dispute_count": 1,
        "disputed_amount_minor": minor,
        "settled_transaction_count": 1,
        "settled_amount_minor": minor,
    }


@pytest.fixture
def figures() -> RingFigures:
    snapshots = LakeRingSnapshots(FakeLake())
    rings = [
        a_ring("ring-b", position=2, member_count=2, email_count=1),
        a_ring("ring-a", member_count=3, device_count=2, dispute_count=2, cycle_count=1),
    ]
    links = {
        ("ring-a", "device-1"): ["u1", "u2"],
        ("ring-a", "device-2"): ["u2", "u3"],
        ("ring-b", "email-1"): ["u4", "u5"],
    }
    money = [
        a_money("ring-a", "USD", 500),
        a_money("ring-a", "JPY", 7),
        a_money("ring-b", "USD", 3),
    ]
    snapshots.write(DAY, a_snapshot(rings, links, money, disputing=["u1"]))
    found = ring_figures(snapshots, DAY)
    assert found
    return found


def test_figures_list_the_largest_ring_first_with_money_by_currency(figures: RingFigures) -> None:
    first, second = figures.rings

    assert (first.ring_id, first.member_count, first.cycle_count) == ("ring-a", 3, 1)
    assert first.disputed_minor == {"JPY": 7, "USD": 500}
    assert second.disputed_minor == {"USD": 3}
    assert figures.disputed_minor == {"JPY": 7, "USD": 503}
    assert (figures.ring_count, figures.member_count, figures.rings_with_cycles) == (2, 5, 1)


def test_picture_shows_members_and_what_they_share(figures: RingFigures) -> None:
    first, second = figures.drawings
    picture = ElementTree.fromstring(first.svg)

    assert len(picture.findall(f"{SVG}circle")) == 3
    assert len(picture.findall(f"{SVG}polygon")) == 2
    assert len(picture.findall(f"{SVG}line")) == 4
    assert first.text.startswith("ring-a: 3 users share 2 devices;")
    assert second.text.startswith("ring-b: 2 users share 1 e-mail address;")


def test_text_with_markup_in_it_does_not_break_the_picture() -> None:
    drawn = draw_ring(
        "ring<1>", {"u1": True, "u2": False}, {("email", "e-1"): ["u1", "u2"]}, "a & b"
    )

    texts = "".join(ElementTree.fromstring(sheet_of([drawn, drawn])).itertext())
    assert texts.count("ring<1>") >= 2
    assert "a & b" in texts


def test_large_ring_is_drawn_in_part_and_says_so() -> None:
    users = {f"u{number:02}": False for number in range(40)}

    drawn = draw_ring("ring-1", users, {("device", "device-1"): list(users)}, "text")

    assert len(ElementTree.fromstring(drawn.svg).findall(f"{SVG}circle")) == 24
    assert "and 16 more" in drawn.svg


def test_figures_of_a_date_are_those_of_the_snapshot_before_it() -> None:
    snapshots = LakeRingSnapshots(FakeLake())
    for day, name in ((date(2026, 11, 18), "old"), (date(2026, 11, 21), "new")):
        snapshots.write(day, a_snapshot([a_ring(name)], {(name, "device-1"): ["u1", "u2"]}))

    found = ring_figures(snapshots, DAY)

    assert found
    assert found.as_of_on == date(2026, 11, 18)
    assert [ring.ring_id for ring in found.rings] == ["old"]
    assert ring_figures(snapshots, date(2026, 11, 17)) is None


def test_figures_of_a_date_without_rings_are_zero() -> None:
    snapshots = LakeRingSnapshots(FakeLake())
    snapshots.write(DAY, a_snapshot([], {}))

    found = ring_figures(snapshots, DAY)

    assert found
    assert (found.ring_count, found.rings, found.drawings) == (0, (), ())
    assert sheet_of(found.drawings) == ""
