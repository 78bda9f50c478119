"""Who is linked, compared with a slow and obvious model: sets that are joined one link at a time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.adapters.warehouse import shared_identifiers
from cardops.adapters.warehouse.ring_columns import normalised_column, with_reason_to_ignore
from cardops.adapters.warehouse.ring_components import numbered
from cardops.adapters.warehouse.ring_graph import find_graph
from cardops.adapters.warehouse.shared_identifiers import KEY, sightings_of_shared
from cardops.rules.fraud.identifiers import COLUMNS, IdentifierKind, normalised, reason_to_ignore
from cardops.rules.fraud.limits import RingLimits
from tests.factories.lake_tables import DAY, rows_of
from tests.fakes.lake import FakeLake

LIMITS = RingLimits(dict.fromkeys(IdentifierKind, 3), max_members=100)
VALUES = {
    "device_id": ["d-1", " D-1", "d-2", "d-3", "unknown", ""],
    "card_token": ["tok_A", "tok_a", "tok_A ", "tok_b"],
    "email": ["a.b+x@gmail.com", "ab@googlemail.com", "a@x.org", "A@X.org ", "c@x.org"],
    "ip_address": ["198.51.100.1", "::ffff:198.51.100.1", "198.51.100.2", "10.0.0.1"],
}
Row = Mapping[str, str | None]
User = tuple[str, str]
Node = tuple[str, str, str]

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "program": st.sampled_from(["one", "two"]),
            "user_id": st.none() | st.sampled_from("abcdefgh"),
            "order_id": st.sampled_from(["o-1", "o-2", "o-3"]),
            **{name: st.none() | st.sampled_from(values) for name, values in VALUES.items()},
        }
    ),
    max_size=24,
)
# Orders of which a user is known.
ORDERS = {("one", "o-1"): "a", ("one", "o-2"): "z", ("two", "o-1"): "b"}


def a_lake(rows: Sequence[Row]) -> FakeLake:
    lake = FakeLake()
    numbered = [{**row, "transaction_id": f"t-{number}"} for number, row in enumerate(rows)]
    lake.write("transactions", DAY, "1", rows_of("transactions", *numbered))
    orders = [
        {"program": program, "order_id": order_id, "user_id": user}
        for (program, order_id), user in ORDERS.items()
    ]
    lake.write("orders", DAY, "1", rows_of("orders", *orders))
    return lake


def holders_of(rows: Sequence[Row]) -> Mapping[Node, set[User]]:
    """Who shows each identifier."""
    holders: dict[Node, set[User]] = defaultdict(set)
    for row in rows:
        program = str(row["program"])
        user = row["user_id"] or ORDERS.get((program, str(row["order_id"])))
        for kind, column in COLUMNS.items():
            value = normalised(kind, row[column])
            if user and value:
                holders[program, kind, value].add((program, user))
    return {node: users for node, users in holders.items() if len(users) > 1}


def is_hub(node: Node, users: set[User]) -> bool:
    kind = IdentifierKind(node[1])
    return LIMITS.is_hub(kind, len(users)) or reason_to_ignore(kind, node[2]) is not None


def joined(groups: Sequence[set[User]]) -> list[set[User]]:
    """Join any two groups that meet, until none do."""
    rings = [set(group) for group in groups]
    while True:
        for index, ring in enumerate(rings):
            other = next((later for later in rings[index + 1 :] if later & ring), None)
            if other is not None:
                ring.update(other)
                rings.remove(other)
                break
        else:
            return sorted(rings, key=min)


@settings(max_examples=6)
@given(rows=ROWS, is_turned=st.booleans())
def test_rings_and_hubs_are_those_of_the_model(rows: list[Row], *, is_turned: bool) -> None:
    compare_with_model(rows, is_turned=is_turned)


@pytest.mark.soak
@settings(max_examples=500, deadline=None)
@given(rows=ROWS, is_turned=st.booleans())
def test_rings_are_those_of_the_model_in_many_rounds(rows: list[Row], *, is_turned: bool) -> None:
    compare_with_model(rows, is_turned=is_turned)


def compare_with_model(rows: list[Row], *, is_turned: bool) -> None:
    graph = find_graph(a_lake(rows[::-1] if is_turned else rows), DAY, LIMITS)

    holders = holders_of(rows)
    linking = [users for node, users in holders.items() if not is_hub(node, users)]
    rings: dict[int, set[User]] = defaultdict(set)
    for ring, program, user in graph.links.select("ring", "program", "user_id").iter_rows():
        rings[ring].add((program, user))
    assert sorted(rings.values(), key=min) == joined(linking)
    hubs = {
        (program, kind, value): count
        for program, kind, value, count, _ in graph.hubs.select(
            "program", "identifier_kind", "value", "user_count", "ignored"
        ).iter_rows()
    }
    assert hubs == {node: len(users) for node, users in holders.items() if is_hub(node, users)}


@pytest.mark.parametrize("rows_kept", [0, 14, 1000])
@pytest.mark.parametrize("rows_at_once", [7, 1000])
def test_small_reads_miss_no_shared_identifier(rows_kept: int, rows_at_once: int) -> None:
    rows: list[Row] = [
        {
            "program": "one",
            "user_id": f"u{number % 17}",
            "order_id": "o",
            "device_id": f"d{number % 40}",
        }
        for number in range(60)
    ]
    rows += [
        {**row, "user_id": None, "order_id": f"o-{index}"} for index, row in enumerate(rows[:9])
    ]
    transactions = rows_of("transactions", *rows)

    found = sightings_of_shared(transactions.lazy(), rows_at_once=rows_at_once, rows_kept=rows_kept)

    users: dict[str, set[object]] = defaultdict(set)
    for row in rows:
        users[str(row["device_id"])].add(row["user_id"] or row["order_id"])
    shared = {device for device, who in users.items() if len(who) > 1}
    assert shared <= set(found["value"])
    assert found.select(pl.struct(KEY).n_unique()).item() == found.height


@pytest.mark.parametrize("added", [0, 1])
def test_rows_that_moved_after_they_were_hashed_are_found_where_they_are(added: int) -> None:
    rows = [
        {"user_id": f"u{number}", "device_id": f" D{number % 9}", "transaction_id": f"t-{number}"}
        for number in range(12)
    ]
    before = rows_of("transactions", *rows)
    moved = pl.concat([before.reverse(), before.head(added)])
    kind = IdentifierKind.DEVICE

    chunk = shared_identifiers._chunk(before.lazy(), is_kept=False)
    (marks,) = shared_identifiers._shared(kind, [chunk.hashes])

    for frame in (before, moved):
        text = shared_identifiers._read(frame.lazy())
        found = shared_identifiers._sightings(text, kind, chunk.hashes[kind], marks)
        assert set(found["value"]) == {"d0", "d1", "d2"}
        assert found["user_id"].n_unique() == 6


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12))
def test_rows_whose_identifier_has_several_users_are_found(pairs: list[tuple[int, int]]) -> None:
    # Far apart, as hashes are: the last bits are not compared.
    identifiers = np.array([number << 60 for number, _ in pairs], np.uint64)
    users = np.array([user for _, user in pairs], np.uint64)

    found = shared_identifiers._rows_of_several(identifiers, users)

    holders: dict[int, set[int]] = defaultdict(set)
    for number, user in pairs:
        holders[number].add(user)
    expected = [row for row, (number, _) in enumerate(pairs) if len(holders[number]) > 1]
    assert sorted(found.tolist()) == expected


@pytest.mark.parametrize("has_one_hash", [False, True])
def test_different_values_have_different_numbers_also_where_they_share_a_hash(
    monkeypatch: pytest.MonkeyPatch, *, has_one_hash: bool
) -> None:
    rows = pl.DataFrame({"program": ["a", "a", "b", "a", "b"], "value": ["x", "y", "x", "x", "x"]})
    if has_one_hash:
        same = pl.Series([7] * rows.height, dtype=pl.UInt64)
        monkeypatch.setattr(pl.DataFrame, "hash_rows", lambda _: same)

    found = numbered(rows, ["program", "value"])

    assert sorted(set(found.codes.tolist())) == [0, 1, 2]
    assert rows[found.first_rows][found.codes].equals(rows)


@settings(max_examples=12)
@given(
    st.sampled_from(IdentifierKind),
    st.lists(
        st.sampled_from([value for values in VALUES.values() for value in values])
        | st.text(max_size=12)
    ),
)
def test_whole_column_is_normalised_as_one_value_is(
    kind: IdentifierKind, values: list[str]
) -> None:
    frame = pl.DataFrame({COLUMNS[kind]: values}, schema={COLUMNS[kind]: pl.String})

    column = frame.select(normalised_column(kind)).to_series().to_list()

    assert [value or None for value in column] == [normalised(kind, value) for value in values]


def test_placeholders_of_a_column_are_those_of_one_value() -> None:
    values = ["unknown", "10.1.2.3", "noreply@x.org", "NULL", "d-1", "172.32.0.1", "127.0.0.1"]
    pairs = [(kind.value, value) for kind in IdentifierKind for value in values]
    frame = pl.DataFrame(pairs, schema=["identifier_kind", "value"], orient="row")

    found = with_reason_to_ignore(frame)

    for kind, value, reason in found.iter_rows():
        assert reason == reason_to_ignore(IdentifierKind(kind), value)
