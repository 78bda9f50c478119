"""The database refuses what a mistaken rule or a wrong read would permit."""

import pytest

from cardops.adapters.postgresql.authorizations import authorizations as adapter
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorizations.decisions import UNDECIDED
from tests.factories.authorizations import USER, a_request
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database


async def test_debit_refuses_what_a_mistaken_rule_permits(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await open_pool(database_url)
    await pool.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {USER: 1000})
    real = adapter.batch_state

    def mistaken(*arguments: object) -> object:
        state = real(*arguments)  # type: ignore[arg-type]
        for account in state.accounts.values():
            account.available_minor += 5000
        return state

    monkeypatch.setattr(adapter, "batch_state", mistaken)
    responses = await PostgresAuthorizations(pool).decide([a_request(amount_minor=2500)])
    pool.terminate()

    assert responses == [UNDECIDED]
    assert rows(database_url, "select available_minor from accounts") == [(1000,)]
    assert rows(database_url, "select 1 from decisions") == []
    assert_books_add_up(database_url)


async def test_user_of_two_programs_is_debited_in_the_requested_one(database_url: str) -> None:
    pool = await open_pool(database_url)
    await pool.execute(
        "insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD')"
    )
    await pool.execute(
        "insert into accounts (program, user_id, currency, available_minor)"
        " values ('default', $1, 'USD', 1000), ('other', $1, 'USD', 1000)",
        USER,
    )
    (response,) = await PostgresAuthorizations(pool).decide([a_request(amount_minor=400)])
    pool.terminate()

    assert b'"PERMIT"' in response.body
    assert rows(database_url, "select program, available_minor from accounts order by 1") == [
        ("default", 600),
        ("other", 1000),
    ]
