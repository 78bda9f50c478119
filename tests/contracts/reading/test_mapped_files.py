"""Files of many dialects read through a mapping: the same rows and money as the strict file's."""

import io
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardops.contracts.judging.files import FileCircumstances, judge_file
from cardops.contracts.judging.workspace import temporary_workspace
from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.reading.mapped import check_mapping
from cardops.contracts.reading.mapped_amounts import contract_amount
from cardops.contracts.reading.mapped_times import contract_time
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile, Kind
from cardops.rules.mappings.amounts import SEPARATORS, AmountFormat, Grouping, Sign
from cardops.rules.mappings.dates import DateFormat
from cardops.rules.mappings.mapping import FileMapping, MappingRefusedError, mapping_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
COLUMNS = ("user_id", "amount", "deposit_id", "timestamp", "currency")
GERMAN = {
    "delimiter": ";",
    "encoding": "cp1252",
    "columns": {"Kunde": "user_id", "Betrag": "amount", "Beleg": "deposit_id", "Zeit": "timestamp"},
    "constants": {"currency": "EUR"},
    "decimal": ",",
    "thousands": ".",
    "date_formats": ["%d.%m.%Y %H:%M"],
    "time_zone": "Europe/Berlin",
}
# Name, definition, file; each is one deposit of 1234.50 of user u1 at 2026-11-20T09:00:00Z.
DIALECTS: list[tuple[str, dict[str, Any], str]] = [
    ("german", GERMAN, "Kunde;Betrag;Beleg;Zeit\nu1;1.234,50;d1;20.11.2026 10:00\n"),
    (
        "french",
        {**GERMAN, "thousands": "\u00a0", "affixes": ["€"], "date_formats": ["%d/%m/%Y %H:%M"]},
        "Kunde;Betrag;Beleg;Zeit\nu1;1\u00a0234,50 €;d1;20/11/2026 10:00\n",
    ),
    (
        "swiss",
        {**GERMAN, "decimal": ".", "thousands": "\u2019", "delimiter": "\t"},
        "Kunde\tBetrag\tBeleg\tZeit\nu1\t1\u2019234.50\td1\t20.11.2026 10:00\n",
    ),
    (
        "american",
        {
            "thousands": ",",
            "affixes": ["$"],
            "date_formats": ["%m/%d/%Y %I:%M %p"],
            "time_zone": "America/New_York",
        },
        'user_id,amount,deposit_id,timestamp,currency\nu1,"$1,234.50",d1,11/20/2026 4:00 AM,EUR\n',
    ),
    (
        "indian",
        {"thousands": ",", "grouping": "indian", "delimiter": "|"},
        "deposit_id|user_id|amount|timestamp|currency\nd1|u1|1,234.50|2026-11-20T14:30+05:30|EUR\n",
    ),
    (
        "preamble, no header, cents",
        {
            "header": False,
            "skip_rows": 2,
            "minor_units": True,
            "columns": {"1": "deposit_id", "2": "amount", "3": "user_id", "4": "timestamp"},
            "constants": {"currency": "EUR"},
            "date_formats": ["%Y%m%d"],
            "time_of_day": "09:00",
            "time_zone": "UTC",
        },
        "Account 4711\n\nd1,123450,u1,20261120\n",
    ),
    (
        "debit and credit",
        {**GERMAN, "columns": {"Kunde": "user_id", "Beleg": "deposit_id", "Zeit": "timestamp"},
         "debit_credit": {"amount": {"credit": "Haben", "debit": "Soll"}}},
        "Kunde;Soll;Haben;Beleg;Zeit\nu1;0,00;1.234,50;d1;20.11.2026 10:00\n",
    ),
    (
        "direction",
        {**GERMAN, "direction": {"column": "S/H", "credit": ["H"], "debit": ["S"]}},
        "Kunde;Betrag;S/H;Beleg;Zeit\nu1;1.234,50;H;d1;20.11.2026 10:00\n",
    ),
    (
        "utf-16",
        {**GERMAN, "encoding": "utf-16"},
        "Kunde;Betrag;Beleg;Zeit\r\nu1;1.234,50;d1;20.11.2026 10:00\r\n",
    ),
]  # fmt: skip


def judged(
    content: bytes,
    definition: Mapping[str, Any] | None,
    *,
    name: str = "a.csv",
    kind: str = "deposits",
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Valid rows as they go to the lake, and quarantined rows with reasons and raw."""
    profile = KINDS[Kind(kind)]
    mapping = None if definition is None else mapping_of(definition)
    if mapping is not None:
        check_mapping(mapping, profile.contract)
    arrival = Arrival(Kind(kind), "default", "raw", f"incoming/{kind}/{name}", "v", "0" * 64, 1)
    intake_file = IntakeFile(1, arrival, NOW.date(), FileStatus.CLAIMED)
    circumstances = FileCircumstances(intake_file, "USD", NOW, mapping=mapping)
    with temporary_workspace() as workspace:
        judge_file(io.BytesIO(content), profile, circumstances, workspace)
        valid = workspace.scan("valid").collect()
        quarantined = workspace.scan("quarantined").select("row_number", "reasons", "raw").collect()
        assert workspace.count("read") == valid.height + quarantined.height
    return valid.to_dicts(), quarantined.to_dicts()


@pytest.mark.parametrize(("name", "definition", "text"), DIALECTS, ids=[d[0] for d in DIALECTS])
def test_deposit_of_any_dialect_is_the_same_deposit(
    name: str, definition: dict[str, Any], text: str
) -> None:
    valid, quarantined = judged(text.encode(definition.get("encoding", "utf-8")), definition)

    assert quarantined == []
    (row,) = valid
    assert (row["user_id"], row["deposit_id"], row["currency"]) == ("u1", "d1", "EUR")
    assert row["amount_minor"] == 123450
    assert row["occurred_at"] == datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_rows_that_cannot_be_read_for_certain_are_quarantined() -> None:
    lines = [
        ("u1;25.00;d1;20.11.2026 10:00", "invalid_amount"),  # a point is no decimal sign here
        ("u1;1.23,00;d2;20.11.2026 10:00", "invalid_amount"),
        ("u1;0.500;d14;20.11.2026 10:00", "invalid_amount"),  # half a unit, not five hundred
        ("u1;012.345;d15;20.11.2026 10:00", "invalid_amount"),
        ("u1;25,005;d3;20.11.2026 10:00", "too_many_fraction_digits"),
        ("u1;-25,00;d4;20.11.2026 10:00", "non_positive_amount"),
        ("u1;;d5;20.11.2026 10:00", "missing_field"),
        ("u1;25,00;d6;11/20/2026 10:00", "invalid_timestamp"),
        ("u1;25,00;d7;31.02.2026 10:00", "invalid_timestamp"),
        ("u1;25,00;d8;25.10.2026 02:30", "invalid_timestamp"),  # that hour happened twice
        ("u1;25,00;d9;29.03.2026 02:30", "invalid_timestamp"),  # and that one never
        ("u1;25,00;dü;20.11.2026 10:00", "invalid_id"),
        ("u1;25,00;d11;20.11.2026", "invalid_timestamp"),
        ('u1;"25,00;d12;20.11.2026 10:00', "malformed_row"),
        ("u1;25,00;d13", "malformed_row"),
    ]
    text = "\n".join(["Kunde;Betrag;Beleg;Zeit", *(line for line, _ in lines), ""])

    valid, quarantined = judged(text.encode("cp1252"), GERMAN)

    assert valid == []
    assert [row["reasons"] for row in quarantined] == [[reason] for _, reason in lines]
    assert [row["raw"] for row in quarantined] == [line for line, _ in lines]


def test_bytes_that_the_encoding_lacks_cost_their_own_row() -> None:
    header = b"Kunde;Betrag;Beleg;Zeit\n"
    good = b"u1;25,00;d1;20.11.2026 10:00\n"

    valid, quarantined = judged(header + b"u\x81;1,00;d0;20.11.2026 10:00\n" + good, GERMAN)

    assert [row["deposit_id"] for row in valid] == ["d1"]
    assert [row["reasons"] for row in quarantined] == [["bad_encoding"]]


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


def test_constant_is_refused_in_a_row_that_says_otherwise() -> None:
    text = "Kunde;Betrag;Beleg;Zeit;currency\n" + "".join(
        f"u1;1,00;d{number};20.11.2026 10:00;{code}\n"
        for number, code in enumerate(["EUR", "USD", ""])
    )

    valid, quarantined = judged(text.encode(), GERMAN)

    assert [row["currency"] for row in valid] == ["EUR", "EUR"]
    assert [row["reasons"] for row in quarantined] == [["unknown_currency"]]
    valid, _ = judged(text.encode(), {**GERMAN, "ignore": ["currency"]})
    assert [row["currency"] for row in valid] == ["EUR"] * 3


def test_words_of_the_sender_become_ours() -> None:
    definition = {"values": {"status": {"bezahlt": "paid"}}, "ignore": ["total_amount"]}
    text = (
        "order_id,user_id,amount,currency,status,created_at\n"
        "o1,u1,5.00,EUR,bezahlt,2026-11-20T09:00:00Z\no2,u1,5.00,EUR,offen,2026-11-20T09:00:00Z\n"
    )

    valid, quarantined = judged(text.encode(), definition, kind="orders")

    assert [row["status"] for row in valid] == ["paid"]
    assert [row["reasons"] for row in quarantined] == [["invalid_status"]]


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


def test_file_without_a_mapped_column_is_refused_by_name() -> None:
    with pytest.raises(FileRefusedError, match=r"no column 'Betrag' \(read as amount\)"):
        judged(b"Kunde;Summe;Beleg;Zeit\n", GERMAN)


@pytest.mark.parametrize(
    ("definition", "sentence"),
    [
        ({"columns": {"x": "balance"}}, "no column 'balance'"),
        ({"constants": {"amount": "5"}}, "money or a time"),
        ({"debit_credit": {"user_id": {"credit": "a", "debit": "b"}}}, "no amount"),
        ({"time_zone": "Europe/Atlantis"}, "no time zone"),
    ],
)
def test_mapping_that_does_not_fit_its_kind_is_refused(
    definition: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(MappingRefusedError, match="cannot be used") as refused:
        check_mapping(mapping_of(definition), KINDS[Kind("deposits")].contract)

    assert sentence in str(refused.value)


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


DATE_FORMATS = [
    "%d.%m.%Y",
    "%m/%d/%y %I:%M %p",
    "%d-%b-%Y %H:%M:%S",
    "%Y%m%d%H%M",
    "%d.%m.%Y %H:%M:%S.%f%z",
]


@given(
    st.sampled_from(DATE_FORMATS),
    st.lists(st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)), min_size=30, max_size=40),  # noqa: DTZ001
    st.lists(st.text("0123456789.:/ -AMPmJanFoo+", max_size=22), min_size=10, max_size=20),
)
@settings(max_examples=8, deadline=None)
def test_column_of_dates_equals_dates_one_by_one(
    text: str, times: Sequence[datetime], others: Sequence[str]
) -> None:
    date_format = DateFormat(text)
    texts = [time.replace(tzinfo=UTC).strftime(text) for time in times] + list(others)
    column = pl.DataFrame({"at": texts}).select(
        contract_time("at", FileMapping(date_formats=(date_format,)), is_day_allowed=False)
    )

    assert column.to_series().to_list() == [date_format.iso(one) or one for one in texts]


def _render(
    row: Mapping[str, str], definition: Mapping[str, Any], zone: ZoneInfo
) -> dict[str, str]:
    """A strict row as a sender of that dialect would write it."""
    amount = row["amount"]
    if amount:
        sign, digits = ("-", amount[1:]) if amount.startswith("-") else ("", amount)
        whole, _, fraction = digits.partition(".")
        separator = definition["thousands"]
        if separator:
            whole = f"{int(whole):,}".replace(",", separator)
        amount = whole + (definition["decimal"] + fraction if fraction else "")
        if definition["sign"] == "negative":
            sign = "" if sign else "-"
        amount = f"{sign}{amount}{definition['affixes'][0] if definition['affixes'] else ''}"
    time = row["timestamp"]
    if time and time[:1] != "x":
        local = datetime.fromisoformat(time).astimezone(zone)
        time = local.strftime(definition["date_formats"][0])
    return {**row, "amount": amount, "timestamp": time}


def _is_certain(instant: datetime, zone: ZoneInfo) -> bool:
    local = instant.astimezone(zone)
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()


STRICT_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["u1", "u2", "", "ü"]),
            "amount": st.one_of(
                st.decimals(0, 10**12, places=2, allow_nan=False).map(str),
                st.sampled_from(["", "-5.00", "0", "7", "1.005", "123456789.125"]),
            ),
            "deposit_id": st.integers(1, 10**6).map(lambda number: f"d{number}"),
            "timestamp": st.one_of(
                st.integers(0, 20_000_000).map(
                    lambda minutes: (
                        datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
                    ).strftime("%Y-%m-%dT%H:%M:%SZ")
                ),
                st.sampled_from(["", "x"]),
            ),
            "currency": st.sampled_from(["EUR", "JPY", "BHD", "XXQ", ""]),
        }
    ),
    min_size=30,
    max_size=40,
)


DEFINITIONS = st.fixed_dictionaries(
    {
        "separators": st.sampled_from(
            [(".", ""), (",", "."), (",", ""), (".", "'"), (",", "\u00a0")]
        ),
        "delimiter": st.sampled_from([",", ";", "|", "\t"]),
        "encoding": st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-16-le"]),
        "sign": st.sampled_from(["unsigned", "signed", "negative"]),
        "affixes": st.sampled_from([[], ["€"]]),
        "date_formats": st.sampled_from(
            [["%d.%m.%Y %H:%M"], ["%m/%d/%Y %I:%M %p"], ["%d-%b-%Y %H:%M:%S"]]
        ),
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    }
)


@given(rows=STRICT_ROWS, values=DEFINITIONS, line_end=st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_file_in_any_dialect_has_the_rows_and_money_of_the_strict_file(
    rows: list[dict[str, str]], values: dict[str, Any], line_end: str
) -> None:
    decimal, thousands = values["separators"]
    definition = {
        **{key: value for key, value in values.items() if key != "separators"},
        "decimal": decimal,
        "thousands": thousands,
        "columns": {f"Feld {name}": name for name in COLUMNS},
    }
    delimiter, zone, encoding = values["delimiter"], values["time_zone"], values["encoding"]
    tz = ZoneInfo(zone)
    rows = [
        row
        for row in rows
        if row["timestamp"] in {"", "x"}
        or _is_certain(datetime.fromisoformat(row["timestamp"]), tz)
    ]
    strict = [
        "\n".join(
            [",".join(COLUMNS), *(",".join(row[name] for name in COLUMNS) for row in rows), ""]
        )
    ]
    names = delimiter.join(f'"Feld {name}"' for name in COLUMNS)
    lines = [
        delimiter.join(f'"{rendered[name]}"' for name in COLUMNS)
        for rendered in (_render(row, definition, tz) for row in rows)
    ]
    content = line_end.join([names, *lines, ""]).encode(encoding)

    expected = judged(strict[0].encode(), None)
    found = judged(content, definition)

    assert found[0] == expected[0]
    assert [(row["row_number"], row["reasons"]) for row in found[1]] == [
        (row["row_number"], row["reasons"]) for row in expected[1]
    ]


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


def test_time_zone_does_not_move_the_day_that_a_sender_means() -> None:
    text = (
        "transaction_id;chargeback_amount;currency;card_network;dispute_date;reply_by_date\n"
        "t1;25.00;EUR;visa;20.11.2026 00:30;2026-12-05T00:10:00.5\n"
    )
    definition = {
        "delimiter": ";",
        "date_formats": ["%d.%m.%Y %H:%M"],
        "time_zone": "Europe/Berlin",
    }

    (row,), _ = judged(text.encode(), definition, kind="chargebacks")

    assert (row["dispute_date"], row["reply_by_date"]) == (date(2026, 11, 20), date(2026, 12, 5))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_file_without_byte_order_mark_is_refused_and_not_guessed(encoding: str) -> None:
    content = "user_id,amount,deposit_id,timestamp\n".encode(f"{encoding}-be")

    with pytest.raises(FileRefusedError, match=f"a.csv has no byte order mark.*{encoding}-be"):
        judged(content, {"encoding": encoding})


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
