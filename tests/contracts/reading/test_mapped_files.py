"""Files of many dialects read through a mapping: the same rows and money as the strict file's."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.reading.mapped import check_mapping
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import MappingRefusedError, mapping_of
from tests.factories.mapped_files import COLUMNS, GERMAN, judged

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
