"""The fast reader of JSON against a slow one that decodes every record by itself."""

import io
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardops.contracts.kinds.chargebacks import CHARGEBACKS
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.contracts.kinds.transactions import TRANSACTIONS
from cardops.contracts.reading import json_elements, json_objects
from cardops.contracts.reading.json_rows import JsonRows

Rows = list[dict[str, Any]]

# Values as they may stand in a file: valid ones, and others that cost their row.
LITERALS = st.one_of(
    st.sampled_from(["25.00", "1e3", "-0", "0.1000000000000000055", "12345678901234567890123", "1E+2", "true", "false", "null"]),
    st.sampled_from(["NaN", "Infinity", "01", "1.", ".5", "+1", "tru", "1 2", "", "-", "0x1", "'a'", "\u0661"]),
    st.sampled_from(['""', '"a"', '" a\t"', '"a longer text than twelve bytes"', '"é"', '"a,b:{c}"', '"a\\"b"', r'"\u0041"', r'"\ud800"', r'"\u0000"', '"a\nb"', '"a', 'a"', '"a""b"', '"\0"', '"\ufffd"', '"\udcff"']),
    st.sampled_from(["{}", "[]", '{"a": 1.50}', '[{"a": "b}"}, 2]', '{"a": 1, "a": 2}', "[1", '{"type": "card", "provider": "x"}', '{"type": null}', '{"provider": {"a": [1]}}', "[" * 40 + "]" * 40, "{1: 2}", '{"a" "b"}', "[1,]"]),
)  # fmt: skip
NAMES = st.sampled_from(["user_id", "userId", "customer_id", "amount", "chargeback_amount", "currency", "Currency", "payment_method", "paymentMethod", "provider", "note", "a:b", " amount ", ""])  # fmt: skip
BLANKS = st.sampled_from(["", "", "", " ", "  ", "\t"])
PAIRS = st.tuples(BLANKS, NAMES.map(json.dumps), BLANKS, LITERALS, BLANKS).map(
    lambda parts: f"{parts[0]}{parts[1]}{parts[2]}:{parts[3]}{parts[4]}"
)
OBJECTS = st.lists(PAIRS, max_size=4).map(lambda pairs: "{" + ",".join(pairs) + "}")
RECORDS = st.one_of(
    OBJECTS,
    OBJECTS,
    st.sampled_from(["{", "}", "[1]", "null", "junk", '"text"', '{"a": 1}}', '{"a": 1', '{"a" 1}', '{"amount": 1,}', '{"amount": 1]', "{\\}"]),
)  # fmt: skip
# The same record many times over is what the fast path is for.
FILES = st.lists(st.tuples(RECORDS, st.integers(1, 3)), max_size=8).map(
    lambda found: [record for record, times in found for _ in range(times)]
)
CONTRACTS = st.sampled_from([DEPOSITS.contract, TRANSACTIONS.contract, CHARGEBACKS.contract])


def read(content: str, contract: Contract, *, is_lines: bool) -> Rows:
    stream = io.BytesIO(content.encode("utf-8", "surrogateescape"))
    chunks = list(JsonRows(stream, contract, is_lines=is_lines).chunks())
    found = pl.concat(chunks).to_dicts()
    assert [row["row_number"] for row in found] == list(range(1, len(found) + 1))
    return found


def read_exactly(read_file: Callable[[], Rows]) -> Rows:
    """Element by element, record by record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_objects, "MAX_SHAPES", 0)
        patch.setattr(json_elements, "MAX_RECOUNTS", 0)
        patch.setattr(json_elements._Brackets, "add_objects", lambda _self, position, _spans: position)  # fmt: skip
        return read_file()


def decoded(line: str) -> dict[str, Any] | None:
    """The object of a line, numbers as they were written; None of a malformed record."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    try:
        found = json.loads(line, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=once)  # fmt: skip
    except ValueError:
        return None
    return found if isinstance(found, dict) and "[" * 32 not in line else None


@settings(max_examples=25, deadline=None)
@given(records=FILES, contract=CONTRACTS)
@example(records=['{"user_id":"a","amount":1}'] * 3, contract=DEPOSITS.contract)
@example(
    records=['{"payment_method": {"type": "card"}, "amount": 1}'] * 2,
    contract=TRANSACTIONS.contract,
)
def test_fast_lines_are_read_like_exact_ones(records: list[str], contract: Contract) -> None:
    content = "\n".join(records)

    fast = read(content, contract, is_lines=True)

    assert fast == read_exactly(lambda: read(content, contract, is_lines=True))


@settings(max_examples=25, deadline=None)
@given(records=FILES, contract=CONTRACTS, between=st.sampled_from([",", ", ", ",\n", "\n", " ,, "]), block=st.sampled_from([7, 64, 1 << 20]))  # fmt: skip
def test_fast_elements_are_read_like_exact_ones(
    records: list[str], contract: Contract, between: str, block: int
) -> None:
    content = "[" + between.join(records) + "]"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_elements, "BLOCK_BYTES", block)
        fast = read(content, contract, is_lines=False)
        exact = read_exactly(lambda: read(content, contract, is_lines=False))

    assert fast == exact


@settings(max_examples=25, deadline=None)
@given(records=st.lists(OBJECTS, max_size=6))
def test_values_are_those_of_a_decoder(records: list[str]) -> None:
    """Names that serve one column each, so that nothing but values is compared."""
    lines = [record for line in records for record in line.split("\n") if record.strip()]

    found = read("\n".join(lines), DEPOSITS.contract, is_lines=True)

    assert len(found) == len(lines)
    for row, line in zip(found, lines, strict=True):
        value = decoded(line)
        is_bad = "\0" in line or "\udcff" in line
        if value is None or is_bad:
            assert row["framing"] == ("bad_encoding" if is_bad else "malformed_row")
        elif list(value) == ["amount"] and isinstance(value["amount"], str) and row["framing"] is None:  # fmt: skip
            assert row["amount"] == value["amount"]


@pytest.mark.soak
@settings(max_examples=5_000, deadline=None)
@given(records=FILES, contract=CONTRACTS, is_lines=st.booleans(), between=st.sampled_from([",", ", ", ",\n", "\n", "", "]["]), block=st.sampled_from([7, 64, 1 << 20]))  # fmt: skip
def test_many_fast_files_are_read_like_exact_ones(
    records: list[str], contract: Contract, between: str, block: int, *, is_lines: bool
) -> None:
    content = "\n".join(records) if is_lines else "[" + between.join(records) + "]"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_elements, "BLOCK_BYTES", block)
        fast = read(content, contract, is_lines=is_lines)
        exact = read_exactly(lambda: read(content, contract, is_lines=is_lines))

    assert fast == exact
