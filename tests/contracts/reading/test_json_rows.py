"""JSON framing: every element once, whatever stands around it, and numbers as they were written."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.contracts.reading import json_rows as element_reader
from cardops.contracts.reading.json_rows import JsonRows, array_elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"[{,', max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def texts(content: bytes) -> list[str]:
    return [text for text, _ in array_elements(io.BytesIO(content))]


def rows(content: bytes) -> list[dict[str, Any]]:
    chunks = JsonRows(io.BytesIO(content), DEPOSITS.contract, is_lines=False).chunks()
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
