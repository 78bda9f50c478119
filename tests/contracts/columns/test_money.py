"""The vectorised money parser against its oracle, the scalar one."""

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from cardops.contracts.columns.money import amount_failures, amount_minor, decimal_text
from cardops.rules.money import AmountProblem, format_amount, parse_amount

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])
NUMBERS = st.from_regex(r"-?[0-9]{1,19}(\.[0-9]{0,6})?", fullmatch=True)
ODD = st.text(alphabet="0123456789.,-+eE _٢NaN\u00a0", min_size=1, max_size=12)


def by_columns(text: str, currency: str) -> int | str:
    frame = pl.DataFrame({"amount": [text], "currency": [currency]})
    failures = amount_failures("amount", "currency")
    found = frame.select(
        amount_minor("amount", "currency").alias("minor"),
        *(failed.alias(reason) for reason, failed in failures.items()),
    ).row(0, named=True)
    minor = found.pop("minor")
    reasons = [reason for reason, failed in found.items() if failed]
    if minor is not None:
        assert not reasons
        return int(minor)
    (reason,) = reasons
    return str(reason)


@given(NUMBERS | ODD, CURRENCIES)
@example("90071992547409.91", "USD")
@example("90071992547409.92", "USD")
@example("0" * 40 + "1", "JPY")
@example("9" * 400, "USD")
@example("1\n", "USD")
@example(".5", "USD")
@example("5.", "USD")
@example("-0.00", "USD")
def test_vectorised_amounts_equal_the_scalar_parser(text: str, currency: str) -> None:
    oracle = parse_amount(text, currency)

    expected = str(oracle) if isinstance(oracle, AmountProblem) else oracle
    assert by_columns(text, currency) == expected


@given(st.integers(min_value=1, max_value=10**15), CURRENCIES)
def test_minor_units_of_a_feed_become_decimal_text(minor: int, currency: str) -> None:
    frame = pl.DataFrame({"minor": [str(minor)], "currency": [currency]})

    text = frame.select(decimal_text(pl.col("minor"), pl.col("currency"))).item()

    assert text == format_amount(minor, currency)


def test_unknown_currency_skips_digit_checks_but_not_the_form() -> None:
    frame = pl.DataFrame({"amount": ["1.23456", "x", "-1"], "currency": ["XXQ", None, "XXQ"]})

    found = frame.select(
        failed.alias(reason) for reason, failed in amount_failures("amount", "currency").items()
    )

    assert [[name for name, failed in row.items() if failed] for row in found.to_dicts()] == [
        [],
        ["invalid_amount"],
        ["non_positive_amount"],
    ]
