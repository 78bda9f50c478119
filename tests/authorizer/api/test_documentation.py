"""The generated OpenAPI document, and the problem pages."""

import re
from typing import Any

import msgspec
import pytest

from authorizer.api import schemas
from authorizer.api.documentation import openapi_document
from authorizer.api.problem_pages import problem_page
from authorizer.api.problems import KINDS

DOCUMENT = openapi_document()
OPERATIONS = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]


def references(value: Any) -> set[str]:
    """All `$ref` values in a part of the document."""
    if isinstance(value, dict):
        inner = set().union(*(references(member) for member in value.values()))
        return inner | {value["$ref"]} if "$ref" in value else inner
    if isinstance(value, list):
        return set().union(*(references(member) for member in value))
    return set()


def test_every_reference_resolves_to_a_component() -> None:
    all_references = references(DOCUMENT)

    assert all_references
    for reference in all_references:
        kind, name = re.fullmatch(r"#/components/(\w+)/([\w-]+)", reference).groups()  # type: ignore[union-attr] # a mismatch fails the test as well
        assert name in DOCUMENT["components"][kind], reference


def test_document_contains_no_default_schema_of_fastapi() -> None:
    assert "HTTPValidationError" not in str(DOCUMENT)
    assert "Successful Response" not in str(DOCUMENT)


def test_every_error_is_documented_as_a_problem_with_an_example() -> None:
    for operation in OPERATIONS:
        for status, response in operation["responses"].items():
            if status >= "400":
                content = response["content"]["application/problem+json"]
                assert content["examples"], (operation["operationId"], status)
                assert response["headers"]["x-request-id"]


def test_every_operation_says_whether_it_needs_a_key() -> None:
    for operation in OPERATIONS:
        is_guarded = "security" in operation
        assert ("Needs a key with the scope `" in operation["description"]) == is_guarded
        assert {"401", "403", "429"} <= set(operation["responses"]) or not is_guarded


@pytest.mark.parametrize(
    ("operation_id", "kind"),
    [
        ("authorize", schemas.AuthorizationBody),
        ("capture", schemas.CaptureBody),
        ("void", schemas.VoidBody),
        ("refund", schemas.RefundBody),
        ("increment", schemas.IncrementBody),
    ],
)
def test_example_body_is_accepted_by_the_decoder(
    operation_id: str, kind: type[msgspec.Struct]
) -> None:
    (operation,) = (
        candidate for candidate in OPERATIONS if candidate["operationId"] == operation_id
    )
    content = operation["requestBody"]["content"]["application/json"]

    assert content["schema"]["$ref"].rpartition("/")[2] == kind.__name__
    for example in content["examples"].values():
        assert isinstance(
            msgspec.json.decode(msgspec.json.encode(example["value"]), type=kind), kind
        )


def test_operations_document_only_their_own_problems() -> None:
    mismatch = {
        operation["operationId"]
        for operation in OPERATIONS
        if "idempotency-mismatch" in str(operation["responses"])
    }

    assert mismatch == {"authorize", "refund", "increment"}


@pytest.mark.parametrize("slug", KINDS)
def test_every_problem_has_a_page_that_says_what_to_do(slug: str) -> None:
    page = problem_page(slug)

    assert page is not None
    assert KINDS[slug].title in page
    assert "What to do" in page
