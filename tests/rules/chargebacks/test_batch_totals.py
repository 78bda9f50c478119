"""Batch totals account for every row and every minor unit, or report what is missing."""

import pytest

from cardops.rules.chargebacks.batch_totals import add_up_batch, batch_breaks
from cardops.rules.chargebacks.control_totals import ControlTotals
from cardops.rules.intake.files import FileOutcome

OUTCOME = FileOutcome(
    read=10,
    accepted=6,
    duplicate=1,
    quarantined=3,
    reasons={"unroutable_network": 2, "invalid_amount": 1},
    totals_minor={"USD": 500, "EUR": 70},
)
MATCHES = [ControlTotals(4, {"USD": 500}), ControlTotals(2, {"EUR": 70})]


def test_batch_that_adds_up_has_no_break() -> None:
    account = add_up_batch([OUTCOME], MATCHES)

    assert batch_breaks(account) == []
    assert (account.read, account.unroutable, account.filed) == (10, 2, 6)


@pytest.mark.parametrize(
    ("filed", "message"),
    [
        (MATCHES[:1], "6 rows were accepted, 4 are in files"),
        ([*MATCHES, ControlTotals(1, {})], "6 rows were accepted, 7 are in files"),
        ([ControlTotals(4, {"USD": 499}), MATCHES[1]], "500 minor units of USD"),
        ([ControlTotals(4, {"USD": 430, "EUR": 70}), ControlTotals(2, {"EUR": 70})], "EUR"),
        ([*MATCHES[:1], ControlTotals(2, {"EUR": 70, "JPY": 1})], "JPY"),
    ],
)
def test_missing_and_surplus_rows_are_reported(filed: list[ControlTotals], message: str) -> None:
    assert any(message in line for line in batch_breaks(add_up_batch([OUTCOME], filed)))


def test_incomplete_batch_may_have_fewer_rows_in_files_never_more() -> None:
    part = add_up_batch([OUTCOME], MATCHES[:1], is_complete=False)
    too_much = add_up_batch([OUTCOME], [*MATCHES, MATCHES[0]], is_complete=False)

    assert batch_breaks(part) == []
    assert batch_breaks(too_much)


def test_unapplied_and_damaged_files_are_breaks() -> None:
    account = add_up_batch([OUTCOME, None], MATCHES, damaged_files=("CB_visa.csv",))

    assert batch_breaks(account) == [
        "CB_visa.csv is damaged",
        "1 files of the batch are not applied",
    ]


def test_credits_to_come_are_no_surplus_in_an_incomplete_batch() -> None:
    outcome = FileOutcome(read=3, accepted=3, totals_minor={"USD": 200})
    first = ControlTotals(2, {"USD": 500})
    rest = ControlTotals(1, {"USD": -300})

    assert batch_breaks(add_up_batch([outcome], [first], is_complete=False)) == []
    assert batch_breaks(add_up_batch([outcome], [first, rest])) == []
    assert batch_breaks(add_up_batch([outcome], [first, ControlTotals(1, {"USD": -200})]))
