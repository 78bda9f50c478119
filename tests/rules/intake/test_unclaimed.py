"""What nobody claims is listed, with where it belongs; what is claimed is not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.arrivals import is_arrival
from cardops.rules.intake.control_files import file_of_control
from cardops.rules.intake.objects import ObjectStat
from cardops.rules.intake.unclaimed import may_be_meant, misplaced, unfinished

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def stat(key: str, age: timedelta = timedelta(days=1)) -> ObjectStat:
    return ObjectStat(key, 3, "v1", NOW - age)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("incoming/deposit/bank.csv", "There is no kind 'deposit'. Move it to incoming/deposits/;"),
        ("incoming/Deposits/a.csv", "There is no kind 'Deposits'. Move it to incoming/deposits/;"),
        ("incoming/charge-backs/a/b.csv", "Move it to incoming/chargebacks/;"),
        ("incoming/zzz/a.csv", "There is no kind 'zzz'. Move it to incoming/<kind>/;"),
        ("incoming/bank.csv", "It is in no folder of a kind."),
        ("bank.csv", "It is not under incoming/. Move it to incoming/<kind>/."),
        ("deposits/bank.csv", "It is not under incoming/. Move it to incoming/deposits/."),
        ("Incoming/deposits/a.csv", "It is not under incoming/."),
    ],
)
def test_misplaced_file_says_where_it_belongs(key: str, said: str) -> None:
    (found,) = misplaced([stat(key)], KINDS, NOW)

    assert found.key == key
    assert said in found.why


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("incoming/deposits/a.csv.part", "still being transferred"),
        ("incoming/deposits/acme/.a.csv", "still being transferred"),
        ("incoming/orders/a.csv.ctl.json", "there is no a.csv beside it"),
        ("incoming/orders/A.CSV.CTL.JSON", "there is no A.CSV beside it"),
    ],
)
def test_unfinished_file_says_what_is_missing(key: str, said: str) -> None:
    (found,) = unfinished([stat(key)], NOW)

    assert said in found.why
    assert unfinished([stat(key, timedelta(minutes=59))], NOW) == [], "it may still come"


def test_file_that_is_there_for_a_moment_is_not_listed() -> None:
    assert misplaced([stat(".doctor-1a2b", timedelta(seconds=59))], KINDS, NOW) == []


def test_mark_of_an_empty_folder_is_no_file() -> None:
    assert misplaced([stat("incoming/old/")], KINDS, NOW) == []


@pytest.mark.parametrize(
    ("folder", "is_meant"),
    [
        ("deposits/", True),
        ("Incomming/", True),
        ("chargeback/", True),
        ("incoming/", False),
        ("terraform-state/", False),
        ("acknowledgements/", False),
    ],
)
def test_folders_of_other_systems_are_left_alone(folder: str, *, is_meant: bool) -> None:
    assert may_be_meant(folder, KINDS) is is_meant


NAMES = st.sampled_from(
    [
        "a.csv",
        "A.CSV",
        "b.json.gz",
        ".hidden",
        "c.part",
        "a.csv.ctl.json",
        "A.CSV.CTL.JSON",
        "b.ctl.Json",
        "no-ending",
    ]
)
FOLDERS = st.sampled_from(
    [*KINDS, "deposit", "Orders", "x", *(f"{kind}/acme" for kind in KINDS), ""]
)


@given(st.sets(st.tuples(FOLDERS, NAMES), max_size=8))
def test_each_old_file_under_incoming_is_claimed_or_waits_with_its_file_or_is_listed(
    places: set[tuple[str, str]],
) -> None:
    keys = {
        f"incoming/{folder}/{name}" if folder else f"incoming/{name}" for folder, name in places
    }
    stats = [stat(key) for key in keys]

    listed = [
        file.key for file in [*misplaced(stats, KINDS, NOW), *unfinished(in_kinds(stats), NOW)]
    ]

    claimed = {key for key in keys if any(is_arrival(key, kind) for kind in KINDS)}
    beside = {key for key in keys if file_of_control(key) in claimed}
    assert len(listed) == len(set(listed))
    assert set(listed) == keys - claimed - beside


def in_kinds(stats: list[ObjectStat]) -> list[ObjectStat]:
    return [
        found for found in stats if any(found.key.startswith(f"incoming/{kind}/") for kind in KINDS)
    ]
