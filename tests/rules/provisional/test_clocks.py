"""The clocks of the regulations: their days, their calendars and their sources."""

from datetime import date

import pytest

from cardops.rules.data_tables import read_table
from cardops.rules.provisional.clocks import (
    BusinessDays,
    ClockName,
    Preset,
    Unit,
    ends_on,
    find_clock,
    statement_date,
)
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy, policy_on
from cardops.rules.provisional.records import Favour, favours
from cardops.services.intake.holiday_dates import holiday_dates

ON = date(2026, 11, 20)
CALENDAR = BusinessDays(holiday_dates("XFED", (2026, 2027)))


def test_every_clock_says_where_it_is_written() -> None:
    rows = read_table("provisional_clocks")

    assert {Preset(row["policy"]) for row in rows} == set(Preset)
    for row in rows:
        assert row["clock"] in set(ClockName)
        assert row["unit"] in set(Unit)
        assert row["source"].startswith(("12 CFR 10", "Visa Zero Liability", "Cardops: ")), row
        assert date.fromisoformat(row["valid_from"])
        # Where the text was read, or that it was not found.
        assert row["verification"].startswith(("read at http", "read, as quoted, at", "not verif"))


@pytest.mark.parametrize(
    ("preset", "name", "days", "unit"),
    [
        (Preset.REGULATION_E, ClockName.CREDIT, 10, Unit.BUSINESS_DAYS),
        (Preset.REGULATION_E, ClockName.CREDIT_NEW_ACCOUNT, 20, Unit.BUSINESS_DAYS),
        (Preset.REGULATION_E, ClockName.NEW_ACCOUNT, 30, Unit.DAYS),
        (Preset.REGULATION_E, ClockName.INVESTIGATION, 45, Unit.DAYS),
        (Preset.REGULATION_E, ClockName.INVESTIGATION_EXTENDED, 90, Unit.DAYS),
        (Preset.REGULATION_E, ClockName.WITHHELD_AT_MOST, 50_00, Unit.USD_MINOR),
        (Preset.REGULATION_E, ClockName.NOTICE_BEFORE_TAKING_BACK, 2, Unit.BUSINESS_DAYS),
        (Preset.REGULATION_E, ClockName.HONOURING, 5, Unit.BUSINESS_DAYS),
        (Preset.REGULATION_Z, ClockName.NOTIFICATION, 60, Unit.DAYS),
        (Preset.REGULATION_Z, ClockName.ACKNOWLEDGEMENT, 30, Unit.DAYS),
        (Preset.REGULATION_Z, ClockName.INVESTIGATION, 2, Unit.BILLING_CYCLES),
        (Preset.REGULATION_Z, ClockName.INVESTIGATION_AT_MOST, 90, Unit.DAYS),
    ],
)
def test_regulation_has_its_clock(preset: Preset, name: ClockName, days: int, unit: Unit) -> None:
    clock = find_clock(preset, name, ON)

    assert clock is not None
    assert (clock.count, clock.unit) == (days, unit)


def test_visa_shortens_the_clock_of_unauthorized_purchases_only() -> None:
    counts = [
        clock.count
        for network, category in (("visa", "fraud"), ("visa", "consumer"), ("amex", "fraud"))
        if (clock := find_clock(Preset.REGULATION_E, ClockName.CREDIT, ON, network, category))
    ]

    assert counts == [5, 10, 10]


def test_no_clock_is_found_before_its_regulation() -> None:
    assert find_clock(Preset.REGULATION_E, ClockName.CREDIT, date(2011, 12, 29)) is None


@pytest.mark.parametrize(
    ("day", "count", "last"),
    [
        (date(2026, 11, 25), 1, date(2026, 11, 27)),  # Thanksgiving
        (date(2026, 11, 27), 1, date(2026, 11, 30)),  # a weekend
        (date(2026, 11, 28), 1, date(2026, 11, 30)),  # told on a Saturday
        (date(2026, 7, 2), 2, date(2026, 7, 6)),  # July 4th on a Saturday: the Friday is a day
        (date(2026, 12, 31), 1, date(2027, 1, 4)),
        (date(2026, 11, 20), 0, date(2026, 11, 20)),
    ],
)
def test_business_days_are_those_of_the_federal_reserve(day: date, count: int, last: date) -> None:
    assert CALENDAR.after(day, count) == last


def test_billing_cycles_are_whole_calendar_months() -> None:
    clock = find_clock(Preset.REGULATION_Z, ClockName.INVESTIGATION, ON)

    assert clock is not None
    assert ends_on(clock, date(2026, 11, 1), CALENDAR) == date(2027, 1, 31)
    assert ends_on(clock, date(2026, 11, 30), CALENDAR) == date(2027, 1, 31)
    assert statement_date(date(2026, 2, 3)) == date(2026, 2, 28)


def test_outcomes_are_those_of_the_merchant() -> None:
    assert favours() == {
        "won": Favour.MERCHANT,
        **dict.fromkeys(("lost", "accepted", "expired"), Favour.USER),
    }


def test_later_policy_of_the_same_date_replaces_the_earlier() -> None:
    policies = [
        ProvisionalPolicy("acme", name, since_on, "ana")
        for name, since_on in (
            (PolicyName.REGULATION_E, date(2026, 5, 1)),
            (PolicyName.REGULATION_Z, date(2026, 3, 1)),
            (PolicyName.NONE, date(2026, 5, 1)),
        )
    ]
    found = [
        policy_on(policies, date(2026, month, 1)) for month in (2, 3, 5)
    ]  # fmt: skip

    assert [policy.name if policy else None for policy in found] == [
        None,
        PolicyName.REGULATION_Z,
        PolicyName.NONE,
    ]
