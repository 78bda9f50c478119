"""JSON framing: every element once, whatever stands around it, and numbers as they were written."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.contracts.kinds.chargebacks import CHARGEBACKS
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.contracts.reading import json_elements as element_reader
from cardops.contracts.reading.json_elements import array_records
from cardops.contracts.reading.json_rows import JsonRows

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"[{,', max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def texts(content: bytes) -> list[str]:
    found = array_records(io.BytesIO(content))
    return [records.text(index) for records in found for index in range(len(records.starts))]


def rows(content: bytes, contract: Contract = DEPOSITS.contract) -> list[dict[str, Any]]:
    chunks = JsonRows(io.BytesIO(content), contract, is_lines=False).chunks()
    return [row for chunk in chunks for row in chunk.to_dicts()]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)), st.sampled_from([None, 2]))  # fmt: skip
def test_every_array_element_is_read_once_and_whole(
    found: list[dict[str, Any]], indent: int | None
) -> None:
    content = json.dumps(found, indent=indent, ensure_ascii=False).encode()

    assert [json.loads(text) for text in texts(content)] == found


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=4), st.integers(0, 10_000))  # fmt: skip
def test_array_cut_anywhere_gives_whole_elements_and_one_more(
    found: list[dict[str, Any]], at: int
) -> None:
    content = json.dumps(found).encode()
    cut = content[: 1 + at % (len(content) - 1)]

    given_back = texts(cut)

    assert [json.loads(text) for text in given_back[:-1]] == found[: len(given_back) - 1]


@pytest.mark.parametrize("block_bytes", [5, 1_000])
def test_bracket_in_a_string_that_is_cut_ends_no_element(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(element_reader, "BLOCK_BYTES", block_bytes)

    assert texts(b'[{"a": 1}, {"b": "00]') == ['{"a": 1}', '{"b": "00]']
    assert texts(b'[{"a" 1, "b": "0, 1]"}, {"a": 2}]') == ['{"a" 1, "b": "0, 1]"}', '{"a": 2}']


def test_elements_may_span_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(element_reader, "BLOCK_BYTES", 5)

    assert texts('[{"a": "é]}"}, 17, {"b": [1, {}]}]'.encode()) == [
        '{"a": "é]}"}',
        "17",
        '{"b": [1, {}]}',
    ]


def test_broken_element_is_one_malformed_row() -> None:
    found = rows(b'[{"amount": tru}, {"amount": 1.50}, nonsense, {"amount": "2"}]')

    assert [row["framing"] for row in found] == ["malformed_row", None, "malformed_row", None]
    assert [row["amount"] for row in found] == [None, "1.50", None, "2"]


@pytest.mark.parametrize(
    ("element", "framing"),
    [
        (b'{"amount": 1, "amount": 2}', "malformed_row"),
        (b'{"user_id": "a", "userId": "b"}', "malformed_row"),
        (b'{"user_id": "\\u0000"}', "bad_encoding"),
        (b'{"user_id": "\\ud800"}', "bad_encoding"),
        (b'{"user_id": "\xff"}', "bad_encoding"),
        (b"[1]", "malformed_row"),
        (b"null", "malformed_row"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "malformed_row"),
        (b'{"user_id": "' + b"9" * 5000 + b'"}', None),
        (b'{"amount": ' + b"9" * 5000 + b"}", None),
    ],
)
def test_single_element_is_parsed_or_malformed(element: bytes, framing: str | None) -> None:
    found = rows(b"[" + element + b', {"amount": 3}]')

    assert [row["framing"] for row in found] == [framing, None]
    assert found[1]["amount"] == "3"


@pytest.mark.parametrize("block_bytes", [3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "framings"),
    [
        (b'[{"amount": 1}]\n[{"amount": 2}, {"amount": 3}]', [None, None, None]),
        (b'[{"amount": 1}}, {"amount": 2}]', [None, "malformed_row", None]),
        (b'[{"amount": 1}] junk {"amount": 2}', [None, "malformed_row"]),
        (b'[{"amount": 1}]]\n{"amount": 2}', [None, "malformed_row", None]),
        (b'{"amount": 1}\n]\n{"amount": 2}', [None, "malformed_row", None]),
        (b'[{"amount": 1}][{"amount": 2}', [None, None, "malformed_row"]),
        (b"[[1], 2]", ["malformed_row", "malformed_row"]),
        (b"[] \n", []),
    ],
)
def test_elements_after_a_stray_or_closing_bracket_are_read(
    content: bytes,
    framings: list[str | None],
    block_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(element_reader, "BLOCK_BYTES", block_bytes)

    assert [row["framing"] for row in rows(content)] == framings


def test_object_means_the_same_beside_any_others() -> None:
    """Released rows become a file of their own, and a stray object costs no other one."""
    found = [{"amount": "7"}, {"chargeback_amount": "5", "amount": "9"}, {"amt": "3"}]

    together = rows(json.dumps(found).encode(), CHARGEBACKS.contract)
    alone = [rows(json.dumps([one]).encode(), CHARGEBACKS.contract)[0] for one in found]

    amounts = [(row["chargeback_amount"], row["transaction_amount"]) for row in together]
    assert amounts == [("7", None), ("5", "9"), ("3", None)]
    assert [{**row, "row_number": 1} for row in together] == alone


@pytest.mark.parametrize(
    ("element", "currency", "framing"),
    [
        (b'{"currency": "USD", "Currency": "USD "}', "USD", None),
        (b'{"currency": null, "Currency": "USD"}', "USD", None),
        (b'{"currency": "USD", "Currency": "EUR"}', None, "malformed_row"),
        (b'{"user_id": "a", "User_ID": "a"}', None, "malformed_row"),
    ],
)
def test_optional_name_twice_is_read_where_its_values_agree(
    element: bytes, currency: str | None, framing: str | None
) -> None:
    (row,) = rows(b"[" + element + b"]")

    assert (row["currency"], row["framing"]) == (currency, framing)


def test_quote_that_is_never_closed_costs_its_line() -> None:
    lines = [b'{"user_id": "%d"}' % number for number in range(5)]
    lines[2] = b'{"user_id": "2}'

    read = rows(b"[\n" + b",\n".join(lines) + b"\n]")

    assert [row["user_id"] for row in read] == ["0", "1", None, "3", "4"]


def test_element_above_the_limit_costs_its_row() -> None:
    long = b'{"user_id": "' + b"x" * (3 * element_reader.MAX_ELEMENT_BYTES) + b'"}'

    read = rows(b'[{"user_id": "a"}, ' + long + b', {"user_id": "b"}]')

    assert [row["framing"] for row in read] == [None, "malformed_row", None]
    assert [row["user_id"] for row in read] == ["a", None, "b"]


def test_names_that_serve_nothing_are_remembered_up_to_a_limit() -> None:
    elements = [{f"n{number}": 1} for number in range(1_500)]
    reader = JsonRows(io.BytesIO(json.dumps(elements).encode()), DEPOSITS.contract, is_lines=False)

    assert sum(chunk.height for chunk in reader.chunks()) == 1_500
    assert len(reader.unknown) == 1_000


@pytest.mark.parametrize("depth", [1_000, 200_000])
@pytest.mark.parametrize("is_closed", [True, False])
def test_deeply_nested_element_is_one_malformed_row(depth: int, *, is_closed: bool) -> None:
    nested = b'{"items": ' + b"[" * depth + b"]" * depth * is_closed + b"}" * is_closed

    read = rows(b'[{"user_id": "a"}, ' + nested + (b', {"user_id": "b"}]' if is_closed else b""))

    assert [row["user_id"] for row in read] == ["a", None, "b"][: 3 if is_closed else 2]
    assert read[1]["framing"] == "malformed_row"
