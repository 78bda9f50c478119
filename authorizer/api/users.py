"""Routes of users: balances."""

from collections.abc import Sequence

from fastapi import Response

from authorizer.api.bodies import is_id
from authorizer.api.endpoints import (
    PathId,
    Reader,
    RequestDependencies,
    in_time,
    json_response,
    new_router,
    not_found,
)
from authorizer.api.operations import json_content, problems, success
from authorizer.api.schemas import UserCredit
from cardops.rules.accounts.ledger import Account
from cardops.rules.money import format_amount

router = new_router("users")


@router.get(
    "/v1/users/{user_id}/credit",
    summary="A user's balances by currency",
    responses={
        200: success("The balances", json_content(UserCredit)),
        **problems(404, 422, is_read=True),
    },
)
async def get_credit(
    user_id: PathId, caller: Reader, dependencies: RequestDependencies
) -> Response:
    """The user's balances by currency."""
    accounts = []
    if is_id(user_id):
        stored = await in_time(
            dependencies, dependencies.reads.accounts(caller.program, user_id), is_read=True
        )
        accounts = list(stored)
    if not accounts:
        raise not_found("user")
    return json_response(_credit_body(user_id, accounts))


def _credit_body(user_id: str, accounts: Sequence[Account]) -> bytes:
    """The JSON of a UserCredit, formatted here because amounts keep the currency's digits."""
    members = ",".join(map(_account_json, accounts))
    return f'{{"user_id":"{user_id}","credit":[{members}]}}'.encode()


def _account_json(account: Account) -> str:
    currency = account.currency
    return (
        f'{{"currency":"{currency}"'
        f',"remaining_credit":{format_amount(account.available_minor, currency)}'
        f',"held":{format_amount(account.held_minor, currency)}'
        f',"ledger_balance":{format_amount(account.ledger_minor, currency)}}}'
    )
