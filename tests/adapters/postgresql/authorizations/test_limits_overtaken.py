"""Usage of a limit is read after the account: a change in between never splits a response."""

import json
from typing import Any

import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.authorizations import authorizations as adapter
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database


@pytest.mark.parametrize("is_dry_run", [False, True])
async def test_limit_rejection_reports_balance_of_the_same_instant(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    is_dry_run: bool,  # noqa: FBT001 - a parameter
) -> None:
    pool = await open_pool(database_url)
    await pool.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {USER: 1000})
    limit = SpendingLimit(LimitKind.DAY, max_count=1)
    PostgresSpendingLimits(database_url).change(PROGRAM, USER, "USD", [limit], changed_by="test")
    real, concurrent = adapter.add_allowances, [a_request("concurrent", amount_minor=300)]

    async def count_after_a_permit(*arguments: Any) -> None:
        if concurrent:
            await PostgresAuthorizations(pool).decide([concurrent.pop()])
        await real(*arguments)

    monkeypatch.setattr(adapter, "add_allowances", count_after_a_permit)
    request = a_request("t1", amount_minor=100, is_dry_run=is_dry_run)
    (response,) = await PostgresAuthorizations(pool).decide([request])
    pool.terminate()

    body = json.loads(response.body)
    assert body["reason_code"] == "velocity_limit"
    assert (body["remaining_credit"], body["as_of"]) == (7.0, {"ledger_seq": 2})
