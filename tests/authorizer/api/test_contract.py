"""The running server against its OpenAPI document, with every check of schemathesis."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from authorizer.api.bodies import is_id
from authorizer.api.documentation import openapi_document
from cardops.adapters.postgresql.connection import connect
from cardops.rules.currencies import EXPONENTS
from cardops.rules.money import MAX_AMOUNT_MINOR
from tests.factories.databases import empty_books
from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database
EXAMPLES, SOAK_EXAMPLES = 8, 400
MAX_RETRIES = 10
# Well-formed requests may still be refused: too many digits for the currency, a host that is not
# registered, an id that was used for another request.
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422]}
        }
    }
)
# Requests are generated when a test runs: at collection, every worker would generate them all.
api = schemathesis.pytest.from_fixture("schema")
# Cases are generated before the server starts; its key replaces this when they are sent.
PLACEHOLDER = "cpk_test_placeholder_placeholder"
keys: list[str] = []
SPENDER = {"user_id": "user_456", "currency": "USD"}


class KeyOfServer:
    """The checks also omit the key or send an invalid one."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        return PLACEHOLDER

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: object) -> None:
    if (case.headers or {}).get("authorization") == f"Bearer {PLACEHOLDER}":
        case.headers["authorization"] = f"Bearer {keys[-1]}"


@pytest.fixture(scope="module")
def schema() -> schemathesis.BaseSchema:
    document = schemathesis.openapi.from_dict(openapi_document(), config=CONFIG)
    document.auth()(KeyOfServer)
    return document


@pytest.fixture(autouse=True)
def _node_id(request: pytest.FixtureRequest) -> None:
    """What schemathesis 4.32 reads of a test, and pytest 9.2 no longer has."""
    request.node._nodeid = request.node.nodeid


@pytest.fixture(scope="module")
def server(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    with AuthorizerProcess(module_database_url, tmp_path_factory.mktemp("home")) as process:
        process.credit("user_456", MAX_AMOUNT_MINOR)
        keys.append(process.key)
        yield process


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def call(case: schemathesis.Case, base_url: str) -> schemathesis.Response:
    """The response; a 503 is retried, as its Retry-After asks: a busy machine may miss the deadline."""
    for _ in range(MAX_RETRIES):
        response = case.call(base_url=base_url)
        if response.status_code != 503:
            return response
        time.sleep(float(response.headers["retry-after"][0]))
    return case.call(base_url=base_url)


def check(case: schemathesis.Case, server: AuthorizerProcess) -> None:
    base_url = f"http://127.0.0.1:{server.port}"
    case.validate_response(call(case, base_url), transport_kwargs={"base_url": base_url})


@api.parametrize()
@_settings(EXAMPLES)
def test_every_response_matches_the_document(
    case: schemathesis.Case, server: AuthorizerProcess
) -> None:
    check(case, server)


@pytest.mark.soak
@api.parametrize()
@_settings(SOAK_EXAMPLES)
def test_every_response_matches_the_document_in_a_long_run(
    case: schemathesis.Case, server: AuthorizerProcess
) -> None:
    check(case, server)


@pytest.mark.soak
def test_every_response_of_a_chain_of_calls_matches_the_document(
    schema: schemathesis.BaseSchema, server: AuthorizerProcess
) -> None:
    succeeded: Counter[str] = Counter()
    decisions = schema.include(tag="authorizations")

    @decisions.hook
    def map_body(context: schemathesis.HookContext, body: Any) -> Any:
        """Use a user with credit, or there would be no holds to act on."""
        is_request = isinstance(body, dict) and is_id(str(body.get("user_id", "")))
        if not is_request or body.get("currency", "USD") not in EXPONENTS:
            return body
        return {"capture": False, **body, **SPENDER}

    class Chains(decisions.as_state_machine()):  # type: ignore[misc] # made at run time
        """Calls that follow the document's links, from a decision to its actions.

        Each chain starts with the same ledger: calls are generated from earlier responses, and a
        repeated chain must behave the same.
        """

        def setup(self) -> None:
            with connect(server.url) as session:
                empty_books(session)
            server.credit("user_456", MAX_AMOUNT_MINOR)

        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, str]:
            return {"base_url": f"http://127.0.0.1:{server.port}"}

        def call(self, case: schemathesis.Case, **kwargs: Any) -> schemathesis.Response:
            return call(case, kwargs["base_url"])

        def after_call(self, response: schemathesis.Response, case: schemathesis.Case) -> None:
            operation_id = case.operation.definition.raw["operationId"]
            if response.status_code == 200:
                succeeded[operation_id] += 1

    run_state_machine_as_test(
        Chains, settings=settings(_settings(SOAK_EXAMPLES), stateful_step_count=15)
    )
    # Each action succeeded at least once.
    assert succeeded.keys() >= {"get_authorization", "capture", "void", "refund", "increment"}
