"""Card numbers are masked in every spelling, and other numbers never."""

import itertools
import time
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.judging.quarantine import mask_card_number_in_raw, quarantine_frame
from cardops.rules.card_numbers import (
    CANDIDATE,
    mask_card_numbers,
    passes_luhn,
    truncate_card_number,
)
from tests.oracles.card_number_model import mask_slowly

VISA, MASTERCARD, AMEX = "4111111111111111", "5500000000000004", "378282246310005"
BETWEEN = [
    " ", "\t", "-", ".", "/", "_", "\u00a0", "\u202f", "\u2007", "\u2009", "\u3000", "\u2010",
    "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\u200b", "\u200c", "\u200d",
    "\u2060", "\ufeff", "\u00ad", "\u200e", " - ", "\u00a0\u2013\u00a0", "\u200b\u200b\u200b\u200b",
]  # fmt: skip
SCRIPTS = ["0", "\uff10", "\u0660", "\u06f0", "\u0966"]


def in_script(digits: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in digits)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    start, size = draw(
        st.sampled_from([("4", 16), ("55", 16), ("37", 15), ("6011", 16), ("36", 14)])
    )
    body = start + draw(
        st.text("0123456789", min_size=size - len(start) - 1, max_size=size - len(start) - 1)
    )
    return next(body + str(last) for last in range(10) if passes_luhn(f"{body}{last}"))


PIECES = st.one_of(
    card_numbers(),
    st.tuples(card_numbers(), st.sampled_from(SCRIPTS)).map(lambda drawn: in_script(*drawn)),
    st.tuples(card_numbers(), st.sampled_from(BETWEEN), st.integers(1, 6)).map(
        lambda drawn: drawn[1].join(
            drawn[0][at : at + drawn[2]] for at in range(0, len(drawn[0]), drawn[2])
        )
    ),
    st.text("0123456789", max_size=40),
    st.text("45 ", max_size=30),
    st.sampled_from(BETWEEN),
    st.sampled_from(["ref", "x", ",", "Ü", "€", "²", "*", "\n", '"']),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_masking_agrees_with_the_slow_model(text: str) -> None:
    assert mask_card_numbers(text) == mask_slowly(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join))
def test_candidate_pattern_matches_every_masked_text(text: str) -> None:
    if mask_card_numbers(text) != text:
        assert pl.Series([text]).str.contains(CANDIDATE).all()


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("step", [1, 4, 6])
@pytest.mark.parametrize("zero", SCRIPTS)
def test_card_number_is_found_in_every_spelling(between: str, step: int, zero: str) -> None:
    for number in (VISA, MASTERCARD, AMEX):
        digits = in_script(number, zero)
        spelt = between.join(digits[at : at + step] for at in range(0, len(digits), step))
        assert mask_card_numbers(f"ref{spelt}x") == f"ref{truncate_card_number(number)}x"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (f"ref{VISA}x", "ref411111******1111x"),
        (VISA + MASTERCARD, "411111******1111550000******0004"),
        (f"{VISA}1229", "411111******11111229"),
        (f"{VISA}737", "411111******1111737"),
        (f"9{AMEX}9{VISA}9", "9378282*****00059411111******11119"),
    ],
)
def test_card_number_adjacent_to_other_digits_is_found(text: str, safe: str) -> None:
    assert mask_card_numbers(text) == safe


@settings(deadline=None)
@given(st.lists(card_numbers(), min_size=2, max_size=4), st.text("0123456789", max_size=4))
def test_adjacent_card_numbers_are_all_masked(numbers: list[str], more: str) -> None:
    found, start = mask_card_numbers(more + "".join(numbers) + more), len(more)
    for number in numbers:
        hidden = found[start + 6 : start + len(number) - 4]
        assert set(hidden) == {"*"}
        start += len(number)


@pytest.mark.parametrize(
    "text",
    [
        "000000000123", "LAKE/deposits/business_date=2026-11-20/000000004111.parquet",
        "default-2026-11-20-001", "program-4111-2026-11-20-411", "20261120100000", "1763719200000",
        "1763719200123456", "1763719200123456789", "2026-11-20T10:00:00.123456Z",
        "2026/11/20 10:00:00.123456 25.00", "9007199254740991", "9223372036854775807",
        "4111111111111111"[:-1] + "2", "411111******1111", "127.0.0.1:54320", "4,111,111,111,111,111",
    ],
)  # fmt: skip
def test_own_ids_and_texts_are_unchanged(text: str) -> None:
    assert mask_card_numbers(text) == text


def test_own_timestamps_and_counters_are_unchanged() -> None:
    began = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    for step in range(0, 365 * 86_400, 9_973):
        for scale in (1, 10**3, 10**6, 10**9):
            text = str((began + step) * scale + step % scale)
            assert mask_card_numbers(text) == text
        assert mask_card_numbers(f"{step:012d}") == f"{step:012d}"


def test_quarantined_row_contains_no_card_number() -> None:
    raws = [f"a,{between.join(VISA)},b" for between in BETWEEN] + [in_script(VISA, "\uff10")]
    numbered = {"row_number": range(len(raws)), "reasons": [[""]] * len(raws), "raw": raws}
    rows = pl.DataFrame(
        {
            **numbered,
            "ids": pl.Series([[]] * len(raws), dtype=pl.List(pl.String)),
            "waits_for": [None] * len(raws),
        }
    )
    quarantined = quarantine_frame(rows.lazy(), "a.csv").collect()["raw"].to_list()
    assert all("411111******1111" in raw for raw in quarantined)


def test_ids_stay_whole_and_other_numbers_do_not() -> None:
    ids = [VISA, f"txn-{VISA}", f"2{VISA}2"]
    text = f"{ids[0]},{ids[1]},{ids[2]},card {VISA[:4]} {VISA[4:]},{VISA}0x,{VISA}-{VISA}"

    masked = mask_card_numbers(text, ids)

    assert masked.startswith(",".join(ids))
    assert VISA not in masked.removeprefix(",".join(ids)).replace(" ", "")


@pytest.mark.parametrize(
    ("name", "waits_for", "kept"),
    [
        (VISA, None, "411111******1111"),
        (VISA, "t1", VISA),
        (f"t{VISA}", None, f"t{VISA}"),
        ("24445009258991394411771", None, "24445009258991394411771"),
    ],
)
def test_id_of_a_quarantined_row_stays_whole(name: str, waits_for: str | None, kept: str) -> None:
    row = {"row_number": 1, "reasons": ["x"], "raw": f"{name},b", "ids": [name]}
    rows = pl.DataFrame([{**row, "waits_for": waits_for}])

    assert quarantine_frame(rows.lazy(), "a.csv").collect()["raw"].item() == f"{kept},b"


def test_card_number_column_is_truncated_in_any_script() -> None:
    mistyped = in_script("4111111111111112", "\uff10")
    chunk = pl.DataFrame({"row_number": [1], "raw": [f"t1,{mistyped}"], "card_number": [mistyped]})
    (raw,) = mask_card_number_in_raw(chunk)["raw"]
    assert mistyped not in raw
    assert mistyped[6:-4] not in raw


def test_hostile_text_is_masked_in_linear_time() -> None:
    """16 times the text takes at most 100 times as long; quadratic time would be 256 times."""
    for sign in ("4 ", "45", "1", "4\u200b", "4111 ", "5 - "):
        spent = []
        for count in (500, 8_000):
            began = time.process_time()
            mask_card_numbers(sign * count)
            spent.append(time.process_time() - began)
        assert spent[1] < max(100 * spent[0], 0.05), (sign, spent)


def test_both_patterns_know_every_separator() -> None:
    for separator, invisible in itertools.product(BETWEEN, ["", "\u200b"]):
        text = "4" + (separator + invisible + "1") + "1" * 14
        assert pl.Series([text]).str.contains(CANDIDATE).all()
        assert mask_card_numbers(text) == "411111******1111"
