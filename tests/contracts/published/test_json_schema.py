"""The schema that partners get says of a row what the validator says of it."""

from datetime import UTC, datetime
from typing import Any

import jsonschema
import polars as pl
import pytest

from cardops.contracts.columns.balances import balance_failures
from cardops.contracts.judging.judging import contract_failures
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.published.json_schema import ANNOTATION, schema_of
from cardops.contracts.published.samples import sample_rows

NOW = datetime(2026, 11, 28, tzinfo=UTC)
VALUES = {
    "id": ["a", "A_b.c:d-1", "x" * 64, "x" * 65, "has space", ".", "..", "...", "a/b", "é", ""],
    "amount": ["25.00", "25", "0.01", "0", "0.00", "-1", "+25", "1e3", "1,000", "$1", "٢٥", "25.005", "25.", ".5", "NaN", ""],
    "balance": ["25.00", "25", "0", "-0", "-25.00", "-0.01", "+25", "1e3", "1,000", "$1", "٢٥", "25.005", "-25.005", "25.", "-", "NaN", ""],
    "currency": ["USD", "JPY", "KWD", "usd", "XXX", "US$", ""],
    "instant": ["2026-11-20T10:00:00Z", "2026-11-20 10:00", "2026-11-20T10:00:00.5+0100", "2026-11-20", "yesterday", "2026-11-20T24:00:00Z", "2026-11-20T10:60:00Z", "11/20/2026", ""],
    "date": ["2026-11-20", "2026-11-20T10:00:00Z", "20.11.2026", "2026-11", ""],
    "choice": ["paid", "completed", "open", "teleported", ""],
    "text": ["anything", ""],
}  # fmt: skip


def rows_of(profile: KindProfile, schema: dict[str, Any]) -> list[dict[str, str | None]]:
    """A valid row, and the same with each column set to each value of its type in turn."""
    columns = schema[ANNOTATION]["columns"]
    (sample, *_) = sample_rows(schema)
    base = {
        name: value
        for name, value in zip(columns, sample.values(), strict=True)
        if isinstance(value, str)
    }
    base = {name: base.get(name) for name in profile.contract.columns}
    base |= dict.fromkeys(profile.contract.amounts, "25")
    return [base] + [
        base | {name: value}
        for name, column in columns.items()
        for value in [*VALUES[column["type"]], None]
    ]


def verdicts_of(profile: KindProfile, rows: list[dict[str, str | None]]) -> list[bool]:
    """Whether the contract's own checks accept each row, whose empty cells are null by then."""
    columns = profile.contract.columns
    cells = [{name: value or None for name, value in row.items()} for row in rows]
    frame = pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String()))
    # Balances are checked by the judge of their kind.
    balances = [
        failed
        for name in profile.contract.balances
        for failed in balance_failures(name, "currency").values()
    ]
    failed = pl.any_horizontal(*contract_failures(profile.contract, NOW).values(), *balances)
    return (~frame.select(failed.fill_null(value=False)).to_series()).to_list()


@pytest.mark.parametrize("profile", KINDS.values(), ids=list(KINDS))
def test_schema_and_validator_say_the_same_of_each_value(profile: KindProfile) -> None:
    schema = schema_of(profile)
    validator = jsonschema.Draft202012Validator(schema)
    rows = [
        row if row["currency"] != "USD" else row | {"currency": currency}
        for row in rows_of(profile, schema)
        for currency in ("USD", "JPY", "KWD")
    ]

    said = [validator.is_valid(row) for row in rows]

    expected = verdicts_of(profile, rows)
    assert [row for row, one, other in zip(rows, said, expected, strict=True) if one != other] == []
    assert any(said)
    assert not all(said)


def test_schema_requires_one_of_the_names_of_a_column() -> None:
    profile = next(iter(KINDS.values()))
    validator = jsonschema.Draft202012Validator(schema_of(profile))
    row = {"customerId": "u", "amt": 25.5, "depositId": 7, "createdAt": "2026-11-20T10:00:00Z"}

    assert validator.is_valid(row)
    for name in row:
        assert not validator.is_valid({key: value for key, value in row.items() if key != name})
    assert not validator.is_valid(row | {"amt": -1})


def test_schema_says_what_it_cannot_say() -> None:
    for profile in KINDS.values():
        assert "cannot describe" in schema_of(profile)["description"]
