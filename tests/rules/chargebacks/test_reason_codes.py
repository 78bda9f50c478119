"""Reason codes, their aliases and categories."""

from datetime import date

import pytest

from cardops.rules.chargebacks.reason_codes import (
    find_reason,
    reasons,
    sole_network_of,
    sole_networks,
)
from cardops.rules.data_tables import read_table


@pytest.mark.parametrize(
    ("network", "code", "known_as", "category"),
    [
        ("mastercard", "53", "4853", "consumer_dispute"),
        ("mastercard", "4837", "4837", "fraud"),
        ("discover", "U02", "UA02", "fraud"),
        ("discover", " ua-02 ", "UA02", "fraud"),
        ("visa", "83", "10.4", "fraud"),
        ("visa", "53", "13.3", "consumer_dispute"),
        ("visa", "12.6.1", "12.6.1", "processing_error"),
        ("amex", "f29", "F29", "fraud"),
        ("amex", "4", "004", "inquiry"),
        ("visa", "083", "10.4", "fraud"),
        ("visa", "104", "10.4", "fraud"),
        ("visa", "10.40", "10.4", "fraud"),
        ("visa", " 12.6.1 ", "12.6.1", "processing_error"),
        ("visa", "1261", "12.6.1", "processing_error"),
        ("mastercard", "4853.0", "4853", "consumer_dispute"),
        ("mastercard", "53.0", "4853", "consumer_dispute"),
        ("mastercard", "8", "4808", "authorization"),
    ],
)
def test_code_and_alias_are_found(network: str, code: str, known_as: str, category: str) -> None:
    found = find_reason(network, code)

    assert found is not None
    assert (found.network, found.code, found.category) == (network, known_as, category)


@pytest.mark.parametrize("code", ["", None, "fraud", "9999"])
def test_unknown_code_is_not_found(code: str | None) -> None:
    assert find_reason("visa", code) is None
    assert sole_network_of(code) is None


def test_every_published_code_is_found_under_its_own_network() -> None:
    rows = read_table("reason_codes")

    assert len(rows) == 132
    for row in rows:
        found = find_reason(row["network"], row["code"])
        assert found is not None
        assert found.category == row["category"]


def test_alias_of_two_networks_identifies_neither_unless_data_decides() -> None:
    claimed: dict[str, set[str]] = {}
    for row in read_table("reason_aliases"):
        if row["names_network"] == "yes":
            claimed.setdefault(row["alias"], set()).add(row["network"])

    assert all(len(networks) == 1 for networks in claimed.values())
    assert sole_network_of("41") == "mastercard"


def test_every_sole_network_has_the_code() -> None:
    assert all((network, code) in reasons() for code, network in sole_networks().items())


@pytest.mark.parametrize("code", ["A02", "A01", "A08", "R03", "R13", "05", "155", "60"])
def test_code_that_debit_networks_and_checks_use_names_no_network(code: str) -> None:
    assert sole_network_of(code) is None


@pytest.mark.parametrize(
    ("network", "code"),
    [("discover", code) for code in ("05", "RN", "UA12", "UA18", "UA20", "UA30")]
    + [("amex", code) for code in ("004", "021", "127", "154", "155", "R03")],
)
def test_code_is_known_under_its_network(network: str, code: str) -> None:
    assert find_reason(network, code) is not None


@pytest.mark.parametrize(
    "table", ["reason_codes", "reason_aliases", "network_names", "network_routes", "bin_ranges"]
)
def test_every_row_has_a_source_and_dates_that_parse(table: str) -> None:
    for row in read_table(table):
        assert row["source"], row
        for column in ("valid_from", "valid_to"):
            assert not row[column] or date.fromisoformat(row[column])


def test_every_code_is_found_as_feeds_write_it() -> None:
    for (network, code), reason in reasons().items():
        spellings = (code.lower(), f" {code}", f"0{code}", code.lstrip("0"), code.replace(".", ""))
        numbers = (f"{code}.0", f"{code}.00") if code.isdigit() else ()
        for written in (*spellings, *numbers):
            assert find_reason(network, written) == reason, (network, written)


def test_code_without_its_dot_names_no_network() -> None:
    assert sole_network_of("10.40") == "visa"
    assert [sole_network_of(code) for code in ("104", "083", "127")] == [None] * 3
