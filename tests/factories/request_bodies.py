"""Request bodies with unused ids, and helpers to read the results."""

from itertools import count
from typing import Any

from tests.servers.authorizer_process import AuthorizerProcess, Reply

_numbers = count(1)


def a_user(api: AuthorizerProcess) -> str:
    """A new user with 100.00 USD."""
    name = f"user_{next(_numbers)}"
    api.credit(name, 10_000)
    return name


def a_body(user: str, **fields: Any) -> dict[str, Any]:
    return {"transaction_id": f"txn_{next(_numbers)}", "user_id": user, "amount": 25.00} | fields


def raw_body(user: str, amount: str) -> bytes:
    return (
        f'{{"transaction_id":"txn_{next(_numbers)}","user_id":"{user}","amount":{amount}}}'
    ).encode()


def credit_of(api: AuthorizerProcess, user: str) -> dict[str, Any]:
    (account,) = api.call("GET", f"/v1/users/{user}/credit").json["credit"]
    assert isinstance(account, dict)
    return account


def apply_action(api: AuthorizerProcess, transaction_id: str, kind: str, body: Any = None) -> Reply:
    return api.call("POST", f"/v1/authorizations/{transaction_id}/{kind}", body)
