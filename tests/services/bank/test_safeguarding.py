"""Money at the bank against money owed: every damage is found, and nothing else."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from cardops.rules.bank.safeguarding import SafeguardingAccount, SafeguardingCheck
from cardops.services.bank.safeguarding import SafeguardingService
from tests.factories.lake_tables import DAY, a_balance, rows_of
from tests.fakes.lake import FakeLake
from tests.fakes.safeguarding_accounts import FakeSafeguardingAccounts

EVE = DAY - timedelta(days=1)
SATURDAY = DAY + timedelta(days=1)
MONDAY = DAY + timedelta(days=3)
MONEY, PRESENT, FOLLOW = (check.value for check in SafeguardingCheck)


class Bank:
    """Two accounts of one program with 700 and 300, and users who are owed 1000."""

    def __init__(self, *calendars: str | None) -> None:
        self.lake = FakeLake()
        self.accounts = FakeSafeguardingAccounts()
        holidays = calendars or (None, None)
        for number, account_id in enumerate(("bank-1", "bank-2")):
            account = SafeguardingAccount("default", account_id, EVE, None, "ana")
            self.accounts.add(replace(account, holidays=holidays[number]))
            amounts = (700, 300)[number]
            self.statement(account_id, EVE, 0, amounts)
            self.statement(account_id, DAY, amounts, amounts)
        self.users_have(DAY, 600, 400)

    def statement(self, account_id: str, on: date, opening: int, closing: int) -> None:
        row = {
            "account_id": account_id,
            "statement_id": f"{on}",
            "statement_date": on,
            "opening_balance_minor": opening,
            "closing_balance_minor": closing,
            "amount_minor": closing - opening,
        }
        second = {**row, "entry_id": "2", "amount_minor": 0}
        name = f"{account_id}-{on}"
        self.lake.write("bank_statements", on, name, rows_of("bank_statements", row, second))

    def users_have(self, on: date, *amounts: int) -> None:
        balances = [a_balance(f"user_{number}", owed, 1) for number, owed in enumerate(amounts)]
        other = {**a_balance("user_1", 5, 1), "program": "another"}
        self.lake.write("balances", on, "snapshot", rows_of("balances", *balances, other))

    def breaks(self, on: date = DAY, today: date = MONDAY) -> list[tuple[object, ...]]:
        figures = SafeguardingService(self.accounts, self.lake).check(on, today)
        columns = ("check_name", "account_id", "bank_minor", "owed_minor")
        return figures.filter("is_break").select(columns).rows()


@pytest.fixture
def bank() -> Bank:
    return Bank()


def test_equal_money_is_a_figure_and_no_break(bank: Bank) -> None:
    figures = SafeguardingService(bank.accounts, bank.lake).record(DAY, MONDAY)

    assert figures.rows() == [("default", None, "USD", MONEY, 1000, 1000, False, DAY)]
    assert bank.lake.frames["safeguarding", DAY, "snapshot"].equals(figures)


@pytest.mark.parametrize("owed", [399, 401])
def test_one_cent_of_difference_is_a_break_with_both_figures(bank: Bank, owed: int) -> None:
    bank.users_have(DAY, 600, owed)

    assert bank.breaks() == [(MONEY, None, 1000, 600 + owed)]


def test_currency_that_the_bank_does_not_have_is_a_break(bank: Bank) -> None:
    euro = {**a_balance("user_1", 7, 1), "currency": "EUR"}
    dollars = a_balance("user_1", 1000, 1)
    bank.lake.write("balances", DAY, "snapshot", rows_of("balances", dollars, euro))

    assert bank.breaks() == [(MONEY, None, 0, 7)]


def test_absent_statement_is_a_break_though_the_money_agrees(bank: Bank) -> None:
    del bank.lake.frames["bank_statements", DAY, "bank-2-2026-11-20"]

    assert bank.breaks() == [(PRESENT, "bank-2", None, None)]


def test_no_statement_at_all_fails_closed(bank: Bank) -> None:
    bank.lake.frames = {key: rows for key, rows in bank.lake.frames.items() if key[0] == "balances"}

    assert bank.breaks() == [
        (MONEY, None, 0, 1000),
        (PRESENT, "bank-1", None, None),
        (PRESENT, "bank-2", None, None),
    ]


def test_date_that_was_not_closed_fails_closed(bank: Bank) -> None:
    del bank.lake.frames["balances", DAY, "snapshot"]

    assert bank.breaks() == [(MONEY, None, 1000, None)]


def test_lost_statement_between_two_is_a_break(bank: Bank) -> None:
    bank.statement("bank-1", MONDAY, 650, 700)
    bank.statement("bank-2", MONDAY, 300, 300)
    bank.users_have(MONDAY, 1000)

    assert bank.breaks(MONDAY, MONDAY + timedelta(days=1)) == [(FOLLOW, "bank-1", 650, 700)]


@pytest.mark.parametrize("day", [SATURDAY, SATURDAY + timedelta(days=1)])
def test_weekend_is_compared_as_the_friday_before(bank: Bank, day: date) -> None:
    """What users spend meanwhile moves at the bank on Monday."""
    bank.users_have(day, 850)
    figures = SafeguardingService(bank.accounts, bank.lake).check(day, MONDAY)

    assert figures.rows() == [("default", None, "USD", MONEY, 1000, 1000, False, DAY)]
    bank.users_have(DAY, 600, 401)
    assert bank.breaks(day) == [(MONEY, None, 1000, 1001)]


def test_weekend_with_statements_of_its_own_is_compared(bank: Bank) -> None:
    bank.statement("bank-1", SATURDAY, 700, 550)
    bank.users_have(SATURDAY, 850)

    assert bank.breaks(SATURDAY) == []
    bank.statement("bank-2", SATURDAY, 300, 300)
    assert bank.breaks(SATURDAY) == []
    bank.users_have(SATURDAY, 851)
    assert bank.breaks(SATURDAY) == [(MONEY, None, 850, 851)]


CHRISTMAS = date(2026, 12, 25)


@pytest.mark.parametrize(
    ("calendars", "breaks"),
    [
        ((), [(MONEY, None, 1000, 850), (PRESENT, "bank-1", None, None), (PRESENT, "bank-2", None, None)]),
        (("AT", "XECB"), []),
        (("AT", None), [(PRESENT, "bank-2", None, None)]),
    ],
)  # fmt: skip
def test_no_statement_is_due_of_a_holiday_of_the_bank(
    calendars: tuple[str | None, ...], breaks: list[tuple[object, ...]]
) -> None:
    bank, eve = Bank(*calendars), CHRISTMAS - timedelta(days=1)
    for account_id, amount in (("bank-1", 700), ("bank-2", 300)):
        bank.statement(account_id, eve, amount, amount)
    bank.users_have(eve, 1000)
    bank.users_have(CHRISTMAS, 850)

    assert bank.breaks(CHRISTMAS, CHRISTMAS + timedelta(days=3)) == breaks


def test_absent_friday_is_a_break_over_the_weekend_too(bank: Bank) -> None:
    del bank.lake.frames["bank_statements", DAY, "bank-2-2026-11-20"]

    assert bank.breaks(SATURDAY) == [(PRESENT, "bank-2", None, None)]


def test_statements_of_one_day_in_files_in_reversed_order_are_a_chain(bank: Bank) -> None:
    """Of ids that say nothing of their order."""
    row = {"account_id": "bank-1", "statement_date": DAY}
    for intake_id, (statement_id, opening, closing) in enumerate(
        [("b-late", 900, 700), ("c-middle", 750, 900), ("d-early", 700, 750)]
    ):
        balances = {"opening_balance_minor": opening, "closing_balance_minor": closing}
        rows = rows_of(
            "bank_statements",
            {**row, **balances, "statement_id": statement_id, "intake_id": intake_id},
        )
        name = f"bank-1-{DAY}" if intake_id == 0 else f"file-{intake_id}"
        bank.lake.write("bank_statements", DAY, name, rows)

    assert bank.breaks() == []


def test_nothing_is_due_of_a_date_that_is_not_over(bank: Bank) -> None:
    bank.lake.frames.clear()

    assert bank.breaks(MONDAY, MONDAY) == []


def test_account_counts_from_its_first_date_to_its_end(bank: Bank) -> None:
    bank.accounts.remove("default", "bank-2", DAY, "bob")

    assert bank.breaks() == [(MONEY, None, 700, 1000)]
    assert (
        SafeguardingService(bank.accounts, bank.lake).check(EVE - timedelta(days=1), DAY).is_empty()
    )


@pytest.mark.parametrize(("left", "breaks"), [(50, [(PRESENT, "bank-1", None, None)]), (0, [])])
def test_each_currency_of_an_account_needs_its_statement(
    bank: Bank, left: int, breaks: list[tuple[object, ...]]
) -> None:
    row = {
        "account_id": "bank-1",
        "statement_id": "euros",
        "statement_date": EVE,
        "currency": "EUR",
        "opening_balance_minor": left,
        "closing_balance_minor": left,
    }
    bank.lake.write("bank_statements", EVE, "euros", rows_of("bank_statements", row))
    euros = {**a_balance("user_1", left, 1), "currency": "EUR"}
    dollars = a_balance("user_1", 1000, 1)
    bank.lake.write("balances", DAY, "snapshot", rows_of("balances", dollars, euros))

    assert bank.breaks() == breaks


def test_last_of_two_statements_of_a_day_is_the_one_with_the_higher_number(bank: Bank) -> None:
    days = [("2026-9", 700, 650), ("2026-10", 650, 700)]
    rows = (
        {
            "account_id": "bank-1",
            "statement_id": number,
            "statement_date": DAY,
            "opening_balance_minor": opening,
            "closing_balance_minor": closing,
        }
        for number, opening, closing in days
    )
    name = f"bank-1-{DAY}"
    bank.lake.write("bank_statements", DAY, name, rows_of("bank_statements", *rows))

    assert bank.breaks() == []
