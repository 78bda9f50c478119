"""Card numbers in free text are masked; other numbers are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.card_numbers import (
    is_card_number,
    mask_card_numbers,
    passes_luhn,
    truncate_card_number,
)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    start = draw(st.sampled_from(["4", "51", "55", "34", "37", "6011"]))
    size = 15 if start in {"34", "37"} else 16
    body = start + draw(st.from_regex(f"[0-9]{{{size - 1 - len(start)}}}", fullmatch=True))
    return next(body + str(last) for last in range(10) if passes_luhn(f"{body}{last}"))


@given(card_numbers(), st.sampled_from(["", " ", "-", "."]), st.text("abc,; ", max_size=5))
def test_card_number_in_text_is_masked(number: str, between: str, around: str) -> None:
    spelt = between.join(number[at : at + 4] for at in range(0, len(number), 4))

    found = mask_card_numbers(f"{around}x{spelt}x{around} 12/29")

    assert truncate_card_number(number) in found
    assert spelt not in found
    assert number[6:-4] not in found


@pytest.mark.parametrize(
    "text",
    ["4111111111111112", "order 20261120100000", "1234567890123456", "0000000000000000", "2026-11-20T10:00:00Z,25.00"],
)  # fmt: skip
def test_other_numbers_are_unchanged(text: str) -> None:
    assert mask_card_numbers(text) == text


def test_adjacent_card_numbers_are_both_masked() -> None:
    assert (
        mask_card_numbers("4111111111111111 5500000000000004")
        == "411111******1111 550000******0004"
    )


def test_card_number_needs_scheme_length_and_check_digit() -> None:
    assert is_card_number("378282246310005")
    assert not is_card_number("41111111111")
    assert not is_card_number("9" * 16)
