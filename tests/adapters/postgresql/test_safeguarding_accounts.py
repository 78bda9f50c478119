"""Safeguarding accounts: in force once, ended and not deleted; the fake behaves as PostgreSQL does."""

from datetime import date

import pytest

from cardops.adapters.postgresql.bank.safeguarding import PostgresSafeguardingAccounts
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.ports import SafeguardingAccounts
from cardops.rules.bank.safeguarding import SafeguardingAccount
from cardops.rules.programs.programs import Program
from tests.fakes.safeguarding_accounts import FakeSafeguardingAccounts

FIRST, LATER = date(2026, 11, 1), date(2026, 11, 20)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def accounts(request: pytest.FixtureRequest) -> SafeguardingAccounts:
    if request.param == "fake":
        return FakeSafeguardingAccounts()
    url: str = request.getfixturevalue("module_database_url")
    PostgresPrograms(url).create(Program("acme"))
    return PostgresSafeguardingAccounts(url)


def test_account_is_in_force_once_and_its_end_is_kept(accounts: SafeguardingAccounts) -> None:
    entry = SafeguardingAccount("acme", "bank-1", FIRST, None, "ana")

    assert accounts.add(entry)
    assert not accounts.add(entry)
    assert accounts.remove("acme", "bank-1", LATER, "bob")
    assert not accounts.remove("acme", "bank-1", LATER, "bob")
    assert accounts.add(SafeguardingAccount("acme", "bank-1", LATER, None, "cleo"))

    found = [item for item in accounts.all() if item.program == "acme"]
    assert found == [
        SafeguardingAccount("acme", "bank-1", FIRST, LATER, "ana", "bob"),
        SafeguardingAccount("acme", "bank-1", LATER, None, "cleo"),
    ]
    assert [item.is_in_force(LATER) for item in found] == [False, True]
    assert accounts.remove("acme", "bank-1", FIRST, "dan")
