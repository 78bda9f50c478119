"""Amounts of many dialects: whole columns like one text at a time, and nothing through a float."""

import io
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.reading.mapped_amounts import contract_amount
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.mappings.amounts import SEPARATORS, AmountFormat, Grouping, Sign
from tests.factories.mapped_files import GERMAN, judged


def test_numbers_of_json_and_parquet_are_not_read_as_text_of_the_dialect() -> None:
    rows = [{"Kunde": "u1", "Betrag": "@", "Beleg": "d1", "Zeit": "2026-11-20T09:00:00Z"}]
    as_json = json.dumps(rows).replace('"@"', "1.25").encode()
    parquet = io.BytesIO()
    values = {**rows[0], "Betrag": "1.25"}
    table = pa.table({name: [value] for name, value in values.items()})
    decimals = pa.array(["1.25"]).cast(pa.decimal128(9, 2))
    pq.write_table(table.set_column(1, "Betrag", decimals), parquet)

    for name, content in (("a.json", as_json), ("a.parquet", parquet.getvalue())):
        valid, quarantined = judged(content, GERMAN, name=name)

        assert quarantined == []
        assert [row["amount_minor"] for row in valid] == [125]
    text, _ = judged(as_json.replace(b"1.25", b'"1.250"'), GERMAN, name="a.json")
    assert [row["amount_minor"] for row in text] == [125000]  # text is in the sender's dialect


def test_balances_of_a_bank_may_be_below_zero_in_any_dialect() -> None:
    definition = {
        "delimiter": ";",
        "decimal": ",",
        "thousands": ".",
        "columns": {"Konto": "account_id", "Anfang": "opening_balance", "Ende": "closing_balance"},
        "values": {"direction": {"H": "credit", "S": "debit"}},
        "date_formats": ["%d.%m.%Y"],
    }
    text = (
        "Konto;statement_id;statement_date;currency;Anfang;Ende;entry_id;amount;direction\n"
        "k1;s1;20.11.2026;EUR;-1.234,50;-1.222,50;e1;12,00;H\n"
        "k1;s2;20.11.2026;EUR;1.23;1,00;e1;12,00;H\n"
    )

    valid, quarantined = judged(text.encode(), definition, kind="bank_statements")

    assert [row["reasons"] for row in quarantined] == [["invalid_amount"]]
    (row,) = valid
    assert (row["opening_balance_minor"], row["closing_balance_minor"]) == (-123450, -122250)
    assert row["amount_minor"] == 1200


AMOUNT_FORMATS = st.builds(
    AmountFormat,
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(SEPARATORS),
    grouping=st.sampled_from(Grouping),
    sign=st.sampled_from(Sign),
    is_minor=st.booleans(),
    affixes=st.sampled_from([(), ("€",), ("Fr.x", "$")]),
).filter(lambda amounts: amounts.decimal != amounts.thousands)


PIECES = (
    "1",
    "23",
    "456",
    "0",
    ".",
    ",",
    "-",
    "+",
    "(",
    ")",
    "'",
    "€",
    "$",
    " ",
    "\u2212",
    "\u00a0",
)


def _amount_texts(seed: int) -> list[str]:
    """Texts that look like amounts, most of them wrong in one place."""
    choose = random.Random(seed)  # noqa: S311 - not for secrets
    return ["".join(choose.choices(PIECES, k=choose.randint(1, 6))) for _ in range(400)] + [
        f"{choose.choice(('', '-', '+', '€', '('))}{choose.randint(1, 999)}"
        f"{''.join(f'{sign}{choose.randint(0, 999):03}' for sign in choose.choices(SEPARATORS, k=2))}"
        f"{choose.choice('.,')}{choose.randint(0, 99):02}{choose.choice(('', '-', ' €', ')'))}"
        for _ in range(200)
    ]


@given(
    amounts=AMOUNT_FORMATS,
    seed=st.integers(0, 10**6),
    currency=st.sampled_from(["EUR", "JPY", "BHD", None]),
    is_debit=st.booleans(),
)
@settings(max_examples=10, deadline=None)
def test_column_of_amounts_equals_amounts_one_by_one(
    amounts: AmountFormat, seed: int, currency: str | None, *, is_debit: bool
) -> None:
    texts = _amount_texts(seed)
    column = pl.DataFrame({"text": texts}).select(
        contract_amount(
            pl.col("text"), amounts, pl.lit(currency, pl.String), pl.lit(value=is_debit)
        )
    )

    expected = [amounts.contract_text(text, currency, is_debit=is_debit) for text in texts]
    assert column.to_series().to_list() == expected


def test_debit_stays_one_where_the_sign_of_its_text_is_ignored() -> None:
    text = "Kunde;Betrag;S/H;Beleg;Zeit\n" + "".join(
        f"u1;-25,00;{side};d{side};20.11.2026 10:00\n" for side in "HS"
    )
    direction = {"column": "S/H", "credit": ["H"], "debit": ["S"]}

    valid, quarantined = judged(
        text.encode(), {**GERMAN, "sign": "ignored", "direction": direction}
    )

    assert [row["deposit_id"] for row in valid] == ["dH"]
    assert [row["reasons"] for row in quarantined] == [["non_positive_amount"]]


def test_minor_units_have_the_digits_of_their_own_currency() -> None:
    text = (
        "transaction_id,chargeback_amount,currency,transaction_amount,transaction_currency,"
        "dispute_date,card_network\n"
        "t1,2500,USD,10000,KWD,2026-11-20,visa\nt2,2500,USD,10000,,2026-11-20,visa\n"
    )

    valid, _ = judged(text.encode(), {"minor_units": True}, kind="chargebacks")

    amounts = [(row["dispute_amount_minor"], row["transaction_amount_minor"]) for row in valid]
    assert amounts == [(2500, 10000)] * 2


def test_balances_that_are_floating_point_in_parquet_are_refused() -> None:
    table = pa.table({"opening_balance": [0.1], "closing_balance": ["1"], "account_id": ["a"]})
    content = io.BytesIO()
    pq.write_table(table, content)

    with pytest.raises(FileRefusedError, match="opening_balance"):
        judged(content.getvalue(), None, name="a.parquet", kind="bank_statements")


BANK = {
    "delimiter": ";",
    "decimal": ",",
    "columns": {"Konto": "account_id", "Auszug": "statement_id", "Tag": "statement_date",
                "Anfang": "opening_balance", "Ende": "closing_balance", "Nr": "entry_id"},
    "constants": {"currency": "EUR"},
}  # fmt: skip


AMOUNT = {"columns": {**BANK["columns"], "Betrag": "amount"}}


@pytest.mark.parametrize(
    ("names", "cells", "more"),
    [
        ("Betrag", ("5,00", "-2,00"), {**AMOUNT, "sign": "signed"}),
        ("Betrag", ("-5,00", "2,00"), {**AMOUNT, "sign": "negative"}),
        (
            "Haben;Soll",
            ("5,00;", "0,00;2,00"),
            {"debit_credit": {"amount": {"credit": "Haben", "debit": "Soll"}}},
        ),
        (
            "Betrag;S/H",
            ("5,00;H", "2,00;S"),
            {**AMOUNT, "direction": {"column": "S/H", "credit": ["H"], "debit": ["S"]}},
        ),
    ],
)
def test_bank_statement_in_any_dialect_has_credits_and_debits(
    names: str, cells: Sequence[str], more: Mapping[str, Any]
) -> None:
    lines = (f"k1;a1;2026-11-20;10,00;13,00;{nr};{cell}" for nr, cell in enumerate(cells, 1))
    text = "\n".join([f"Konto;Auszug;Tag;Anfang;Ende;Nr;{names}", *lines])

    valid, quarantined = judged(text.encode(), {**BANK, **more}, kind="bank_statements")

    assert quarantined == []
    assert [row["amount_minor"] for row in valid] == [500, -200]
