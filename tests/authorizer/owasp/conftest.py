"""One authorizer and one database for all attacks of a test worker; each test uses its own ids."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from authorizer.api.documentation import openapi_document
from cardops.adapters.postgresql.connection import SCHEMA, with_search_path
from tests.factories.databases import new_database
from tests.servers.authorizer_process import AuthorizerProcess, Reply

_numbers = count(1)


@dataclass(frozen=True)
class Operation:
    """One method of one path, as the OpenAPI document lists it."""

    operation_id: str
    method: str
    path: str
    summary: str
    scope: str | None
    has_body: bool


def operations() -> list[Operation]:
    """Every operation in the OpenAPI document."""
    return [
        Operation(
            operation["operationId"],
            method.upper(),
            path,
            operation["summary"],
            scope=operation["security"][0]["key"][0] if "security" in operation else None,
            has_body="requestBody" in operation,
        )
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    ]


OPERATIONS = operations()


class Target(AuthorizerProcess):
    """The server under attack, and helpers to create users, bodies and keys."""

    def a_user(self, amount_minor: int = 10_000, *, program: str = "default") -> str:
        name = f"user_{os.getpid()}_{next(_numbers)}"
        self.credit(name, amount_minor, program=program)
        return name

    def a_body(self, user: str, **fields: Any) -> dict[str, Any]:
        return {
            "transaction_id": f"txn_{os.getpid()}_{next(_numbers)}", "user_id": user, "amount": 25,
        } | fields  # fmt: skip

    def a_key(self, *scopes: str, program: str = "default", is_test: bool = True) -> str:
        return self.programs.create_key(program, "k", scopes, is_test=is_test).key

    def remaining(self, user: str, **options: Any) -> float:
        (credit,) = self.call("GET", f"/v1/users/{user}/credit", **options).json["credit"]
        remaining: float = credit["remaining_credit"]
        return remaining

    def action(self, transaction_id: str, kind: str, body: Any = None, **options: Any) -> Reply:
        return self.call("POST", f"/v1/authorizations/{transaction_id}/{kind}", body, **options)


@pytest.fixture(scope="session")
def target(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    with (
        new_database(server_url, template=template_database) as url,
        Target(with_search_path(url, SCHEMA), tmp_path_factory.mktemp("owasp")) as server,
    ):
        yield server
