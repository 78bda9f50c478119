"""Rings found in a lake, by the day."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pytest

from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.contracts.lake.fraud_rings import HUBS, LINKS, MEMBERS, MONEY, RINGS, SNAPSHOTS
from cardops.services.fraud.rings import FraudRings
from tests.factories.lake_tables import DAY, NOON, rows_of
from tests.fakes.lake import FakeLake

Tables = Mapping[str, pl.DataFrame]


def sale(number: int, user: str | None, **values: object) -> dict[str, object]:
    return {
        "transaction_id": f"t-{number}",
        "order_id": f"o-{number}",
        "row_number": number,
        "user_id": user,
        **values,
    }


def dispute(number: int, of: int, **values: object) -> dict[str, object]:
    row = {"case_number": f"c-{number}", "transaction_id": f"t-{of}", "row_number": number}
    return {**row, **values}


def a_lake(sales: list[dict[str, object]], disputes: list[dict[str, object]]) -> FakeLake:
    lake = FakeLake()
    lake.write("transactions", DAY, "1", rows_of("transactions", *sales))
    if disputes:
        lake.write("chargebacks", DAY, "2", rows_of("chargebacks", *disputes))
    return lake


def service_of(lake: FakeLake) -> FraudRings:
    return FraudRings(LakeRingSources(lake), LakeRingSnapshots(lake))


def rings_of(tables: Tables) -> list[list[str]]:
    members = tables[MEMBERS].group_by("ring_id").agg(pl.col("user_id").sort())
    return sorted(members["user_id"].to_list())


# The worked example of docs/fraud-rings.md: Ann and Bob share a phone, Bob and Cy a mailbox.
EXAMPLE_SALES = [
    sale(1, "ann", device_id="phone-1", email="ann@example.com"),
    sale(2, "bob", device_id="PHONE-1", email="b.ob@gmail.com"),
    sale(3, "cy", device_id="phone-3", email="bob+shop@googlemail.com", currency="JPY"),
    sale(4, "dee", device_id="phone-4", ip_address="10.0.0.1"),
    sale(5, "eve", device_id="phone-5", ip_address="10.0.0.1"),
    sale(6, "ann", status="failed"),
]
EXAMPLE_DISPUTES = [
    dispute(1, of=1),
    dispute(2, of=2, dispute_amount_minor=700),
    dispute(3, of=3, dispute_currency="JPY", dispute_amount_minor=90),
    dispute(4, of=6, stage="inquiry"),
]


@pytest.fixture(scope="module")
def example() -> Tables:
    return service_of(a_lake(EXAMPLE_SALES, EXAMPLE_DISPUTES)).snapshot(DAY)


def test_users_of_one_phone_and_one_mailbox_are_one_ring(example: Tables) -> None:
    assert rings_of(example) == [["ann", "bob", "cy"]]
    assert example[SNAPSHOTS].row(0, named=True) == {
        "ring_count": 1,
        "member_count": 3,
        "identifier_count": 2,
        "hub_count": 1,
        "new_ring_count": 1,
        "ended_ring_count": 0,
        "oversized_ring_count": 0,
        "former_on": None,
    }


def test_ring_counts_what_its_members_did(example: Tables) -> None:
    (ring,) = example[RINGS].to_dicts()

    assert ring["ring_id"].startswith("ring-2026-11-20-")
    assert (ring["position"], ring["member_count"], ring["disputing_member_count"]) == (1, 3, 3)
    assert (ring["device_count"], ring["email_count"], ring["ip_address_count"]) == (1, 1, 0)
    assert (ring["transaction_count"], ring["dispute_count"], ring["inquiry_count"]) == (4, 3, 1)
    assert (ring["known_since"], ring["first_seen_at"]) == (DAY, NOON)
    # Ann and Bob touch cases 1 and 2 by the phone, Bob and Cy cases 2 and 3 by the mailbox.
    assert ring["cycle_count"] == 2


def test_ring_money_is_by_currency(example: Tables) -> None:
    found = example[MONEY].drop("ring_id", "program").to_dicts()

    assert found == [
        {
            "currency": "JPY",
            "dispute_count": 1,
            "disputed_amount_minor": 90,
            "settled_transaction_count": 1,
            "settled_amount_minor": 1000,
        },
        {
            "currency": "USD",
            "dispute_count": 2,
            "disputed_amount_minor": 1700,
            "settled_transaction_count": 2,
            "settled_amount_minor": 2000,
        },
    ]


def test_member_says_what_links_it_to_whom(example: Tables) -> None:
    linked = dict(example[MEMBERS].select("user_id", "linked_by").iter_rows())

    assert linked == {
        "ann": "device-1: ann, bob",
        "bob": "device-1: ann, bob; email-1: bob, cy",
        "cy": "email-1: bob, cy",
    }
    counts = example[MEMBERS].select("identifier_count", "linked_member_count")
    assert counts.rows() == [(1, 1), (2, 2), (1, 1)]
    assert example[LINKS]["masked"].unique().sort().to_list() == ["***", "b***@gmail.com"]


def test_placeholder_is_listed_and_links_nobody(example: Tables) -> None:
    (hub,) = example[HUBS].to_dicts()

    assert (hub["hub"], hub["masked"], hub["user_count"]) == ("ip_address-hub-1", "10.0.***", 2)
    assert hub["max_users"] is None
    assert "private" in hub["reason"]


@pytest.mark.parametrize(("users", "is_ring"), [(10, True), (11, False)])
def test_address_of_too_many_users_is_a_hub(users: int, *, is_ring: bool) -> None:
    sales = [sale(number, f"u{number:02}", ip_address="198.51.100.7") for number in range(users)]

    tables = service_of(a_lake(sales, [])).snapshot(DAY)

    assert tables[RINGS].height == int(is_ring)
    assert tables[HUBS].select("user_count", "max_users").rows() == ([] if is_ring else [(11, 10)])


def test_one_chargeback_closes_no_cycle() -> None:
    sales = [sale(1, "ann", device_id="d-1"), sale(2, "bob", device_id="d-1")]

    tables = service_of(a_lake(sales, [dispute(1, of=1)])).snapshot(DAY)

    assert tables[RINGS]["cycle_count"].to_list() == [0]


def test_users_of_two_programs_are_never_one_ring() -> None:
    sales = [sale(1, "ann", device_id="d-1"), sale(2, "bob", device_id="d-1", program="other")]

    assert rings_of(service_of(a_lake(sales, [])).snapshot(DAY)) == []


def test_transaction_without_user_belongs_to_its_orders_user() -> None:
    sales = [
        sale(1, "ann", device_id="d-1"),
        sale(2, None, device_id="d-1"),
        sale(3, None, device_id="d-1"),
    ]
    lake = a_lake(sales, [dispute(1, of=2)])
    orders = [{"order_id": "o-2", "user_id": "bob"}, {"order_id": "o-9", "user_id": "cy"}]
    lake.write("orders", DAY, "1", rows_of("orders", *orders))

    tables = service_of(lake).snapshot(DAY)

    assert rings_of(tables) == [["ann", "bob"]]
    counts = tables[MEMBERS].select("user_id", "transaction_count", "dispute_count")
    assert counts.rows() == [("ann", 1, 0), ("bob", 1, 1)]


def test_identifier_of_two_orders_of_unnamed_users_links_them() -> None:
    lake = a_lake([sale(1, None, device_id="d-1"), sale(2, None, device_id="d-1")], [])
    orders = [{"order_id": "o-1", "user_id": "ann"}, {"order_id": "o-2", "user_id": "bob"}]
    lake.write("orders", DAY, "1", rows_of("orders", *orders))

    assert rings_of(service_of(lake).snapshot(DAY)) == [["ann", "bob"]]


def test_rows_that_arrived_later_are_not_in_the_snapshot_of_a_date() -> None:
    lake = a_lake([sale(1, "ann", device_id="d-1")], [])
    later = rows_of("transactions", sale(2, "bob", device_id="d-1"))
    lake.write("transactions", DAY + timedelta(days=1), "2", later)
    service = service_of(lake)

    assert rings_of(service.snapshot(DAY + timedelta(days=1))) == [["ann", "bob"]]
    assert rings_of(service.snapshot(DAY)) == []


def test_dispute_counts_by_its_last_step() -> None:
    sales = [sale(1, "ann", device_id="d-1"), sale(2, "bob", device_id="d-1")]
    steps = [
        dispute(1, of=1, stage="inquiry", happened_at=NOON),
        dispute(
            1,
            of=1,
            row_number=2,
            dispute_amount_minor=400,
            happened_at=NOON + timedelta(hours=1),
        ),
    ]

    tables = service_of(a_lake(sales, steps)).snapshot(DAY)

    found = tables[MONEY].select("dispute_count", "disputed_amount_minor").rows()
    assert [(count, int(minor)) for count, minor in found] == [(1, 400)]
    assert tables[RINGS]["inquiry_count"].to_list() == [0]


def test_ring_that_splits_and_merges_from_day_to_day_is_told() -> None:
    sales = [sale(1, "ann", device_id="d-1"), sale(2, "bob", device_id="d-1")]
    others = [
        sale(number, user, email="c@x.org") for number, user in ((3, "cy"), (4, "dee"), (5, "eve"))
    ]
    lake = a_lake([*sales, *others], [])
    service = service_of(lake)
    first = service.snapshot(DAY)
    small, large = first[RINGS].sort("member_count")["ring_id"].to_list()
    tie = rows_of("transactions", sale(6, "ann", email="c@x.org"))
    lake.write("transactions", DAY + timedelta(days=1), "2", tie)
    # The phone turns out to be a terminal of a shop: too many show it.
    strangers = [sale(number, f"u{number}", device_id="d-1") for number in range(10, 40)]
    lake.write("transactions", DAY + timedelta(days=2), "3", rows_of("transactions", *strangers))

    second = service.snapshot(DAY + timedelta(days=1))
    third = service.snapshot(DAY + timedelta(days=2))

    assert second[RINGS].select("ring_id", "merged_from", "split_from", "is_new").rows() == [
        (large, small, None, False)
    ]
    assert second[MEMBERS].filter("is_new")["user_id"].to_list() == ["ann", "bob"]
    assert second[SNAPSHOTS].select("ended_ring_count", "former_on").rows() == [(1, DAY)]
    assert third[RINGS]["ring_id"].to_list() == [large]
    assert rings_of(third) == [["ann", "cy", "dee", "eve"]]


def test_order_of_rows_and_files_changes_nothing() -> None:
    lake = a_lake(EXAMPLE_SALES, EXAMPLE_DISPUTES)
    turned = FakeLake()
    for number, row in enumerate(reversed(EXAMPLE_SALES)):
        turned.write("transactions", DAY, f"{number}", rows_of("transactions", row))
    turned.write("chargebacks", DAY, "9", rows_of("chargebacks", *reversed(EXAMPLE_DISPUTES)))

    first, second = (service_of(found).snapshot(DAY) for found in (lake, turned))

    for table in first:
        assert first[table].equals(second[table]), table


def test_lake_without_transactions_has_no_rings() -> None:
    tables = service_of(FakeLake()).snapshot(date(2026, 11, 20))

    assert tables[SNAPSHOTS]["ring_count"].to_list() == [0]
    assert all(frame.is_empty() for table, frame in tables.items() if table != SNAPSHOTS)
