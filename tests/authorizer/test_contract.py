"""The OpenAPI document against the running server: every check that schemathesis has."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from authorizer.openapi import describe
from tests.builders.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database
EXAMPLES, SOAK_EXAMPLES = 8, 400
# What is well-formed and still refused for what it means: fewer digits than sent, a host that
# is not registered, an id of another question.
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422]}
        }
    }
)
schema = schemathesis.openapi.from_dict(describe(), config=CONFIG)
# Cases are made before there is a server; its key takes this place when they are sent.
PLACEHOLDER = "cpk_test_placeholder_placeholder"
keys: list[str] = []


@schema.auth()  # so that the checks may also leave it out, or send a wrong one
class KeyOfServer:
    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        return PLACEHOLDER

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: object) -> None:
    if (case.headers or {}).get("authorization") == f"Bearer {PLACEHOLDER}":
        case.headers["authorization"] = f"Bearer {keys[-1]}"


@pytest.fixture(scope="module")
def server(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    with AuthorizerProcess(module_database_url, tmp_path_factory.mktemp("home")) as process:
        process.credit("user_456", 10_000_000)
        keys.append(process.key)
        yield process


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def check(case: schemathesis.Case, server: AuthorizerProcess) -> None:
    case.call_and_validate(base_url=f"http://127.0.0.1:{server.port}")


@schema.parametrize()
@_settings(EXAMPLES)
def test_every_answer_is_as_the_document_says(
    case: schemathesis.Case, server: AuthorizerProcess
) -> None:
    check(case, server)


@pytest.mark.soak
@schema.parametrize()
@_settings(SOAK_EXAMPLES)
def test_every_answer_is_as_the_document_says_at_length(
    case: schemathesis.Case, server: AuthorizerProcess
) -> None:
    check(case, server)
