"""What the database refuses on its own, should a rule or a reading be wrong."""

import pytest

from cardops.adapters.postgresql import authorizations as adapter
from cardops.adapters.postgresql.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorization import UNDECIDED
from tests.builders.authorizations import USER, a_question
from tests.builders.books_add_up import assert_books_add_up, rows
from tests.builders.crediting import credit_users

pytestmark = pytest.mark.database


async def test_the_debit_itself_refuses_what_a_mistaken_rule_permits(
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
    answers = await PostgresAuthorizations(pool).decide([a_question(amount_minor=2500)])
    pool.terminate()

    assert answers == [UNDECIDED]
    assert rows(database_url, "select available_minor from accounts") == [(1000,)]
    assert rows(database_url, "select 1 from decisions") == []
    assert_books_add_up(database_url)
