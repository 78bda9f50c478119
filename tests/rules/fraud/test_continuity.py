"""Ring ids from day to day, compared with a slow and obvious model."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.fraud.continuity import Member, Overlap, RingIdentity, identify, new_ring_id

DAY = date(2026, 11, 20)
Rings = Sequence[frozenset[str]]


def identities(
    former: Mapping[str, frozenset[str]], rings: Rings, on: date = DAY, shuffle: int = 0
) -> list[RingIdentity]:
    overlaps = [
        Overlap(former_id, number, len(members & ring))
        for former_id, members in former.items()
        for number, ring in enumerate(rings)
        if members & ring
    ]
    Random(shuffle).shuffle(overlaps)  # noqa: S311 - any order will do
    return identify(firsts(rings), overlaps, on)


def firsts(rings: Rings) -> list[Member]:
    return [("default", min(ring)) for ring in rings]


def ring(members: str) -> frozenset[str]:
    return frozenset(members)


def expected_ids(former: Mapping[str, frozenset[str]], rings: Rings) -> dict[int, str]:
    """Again and again the best pair of what is left."""
    ids: dict[int, str] = {}
    for _ in count():
        left = [
            (-len(members & ring), former_id, min(ring), number)
            for former_id, members in former.items()
            for number, ring in enumerate(rings)
            if members & ring and number not in ids and former_id not in ids.values()
        ]
        if not left:
            return ids
        _, former_id, _, number = min(left)
        ids[number] = former_id
    raise AssertionError


def test_ring_that_grows_keeps_its_id() -> None:
    (found,) = identities({"ring-1": ring("abc")}, [ring("abcde")])

    assert found == RingIdentity("ring-1", is_new=False)


def test_merged_ring_keeps_the_larger_id_and_names_the_other() -> None:
    (found,) = identities({"ring-1": ring("ab"), "ring-2": ring("cde")}, [ring("abcde")])

    assert found == RingIdentity("ring-2", is_new=False, merged_from=("ring-1",))


def test_merge_of_equals_keeps_the_older_id() -> None:
    former = {"ring-2026-11-02": ring("ab"), "ring-2026-11-01": ring("cd")}

    (found,) = identities(former, [ring("abcd")])

    assert found.ring_id == "ring-2026-11-01"
    assert found.merged_from == ("ring-2026-11-02",)


def test_split_ring_leaves_its_id_to_the_larger_part() -> None:
    small, large = identities({"ring-1": ring("abcde")}, [ring("ab"), ring("cde")])

    assert large == RingIdentity("ring-1", is_new=False)
    assert small == RingIdentity(
        new_ring_id(("default", "a"), DAY), is_new=True, split_from=("ring-1",)
    )


def test_member_that_changes_rings_is_told_as_a_split() -> None:
    first, second = identities(
        {"ring-1": ring("abc"), "ring-2": ring("def")}, [ring("ab"), ring("cdef")]
    )

    assert first == RingIdentity("ring-1", is_new=False)
    assert second == RingIdentity("ring-2", is_new=False, split_from=("ring-1",))


def test_ring_that_nobody_continues_is_told_by_each_that_has_a_member_of_it() -> None:
    former = {"ring-1": ring("abcd"), "ring-2": ring("efgh"), "ring-3": ring("ij")}

    first, second = identities(former, [ring("abcdi"), ring("efghj")])

    assert (first.ring_id, first.merged_from) == ("ring-1", ("ring-3",))
    assert (second.ring_id, second.merged_from) == ("ring-2", ("ring-3",))


def test_rings_of_one_first_member_in_two_programs_have_two_ids() -> None:
    assert new_ring_id(("one", "u1"), DAY) != new_ring_id(("two", "u1"), DAY)


USERS = st.frozensets(st.sampled_from("abcdefghijkl"), min_size=4)


@st.composite
def partitions(draw: st.DrawFn) -> Rings:
    """Users in rings of two or more; the others are in none."""
    users = sorted(draw(USERS))
    rooms: dict[int, set[str]] = {}
    for user in users:
        rooms.setdefault(draw(st.integers(0, 4)), set()).add(user)
    return sorted((frozenset(room) for room in rooms.values() if len(room) > 1), key=min)


@given(st.lists(partitions(), min_size=2, max_size=5), st.integers(0, 3))
def test_ids_follow_the_model_through_days_of_changes(days: list[Rings], shuffle: int) -> None:
    former: dict[str, frozenset[str]] = {}
    for number, rings in enumerate(days):
        on = DAY + timedelta(days=number)
        found = identities(former, rings, on, shuffle)
        ids = expected_ids(former, rings)
        for position, (identity, members) in enumerate(zip(found, rings, strict=True)):
            new_id = new_ring_id(("default", min(members)), on)
            assert identity.ring_id == ids.get(position, new_id)
            assert identity.is_new == (position not in ids)
            others = {name for name, were in former.items() if were & members} - {identity.ring_id}
            continued = set(ids.values())
            assert set(identity.merged_from) == others - continued
            assert set(identity.split_from) == others & continued
        assert len({identity.ring_id for identity in found}) == len(rings)
        former = {identity.ring_id: members for identity, members in zip(found, rings, strict=True)}
