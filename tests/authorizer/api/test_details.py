"""Merchant, channel and metadata are stored exactly, with card numbers masked."""

import json
from typing import Any

import pytest

from authorizer.api.bodies import decode
from authorizer.api.problems import ProblemError
from authorizer.api.schemas import AuthorizationBody
from authorizer.decisions.requests import request_from_body
from cardops.rules.programs.api_keys import Caller
from tests.factories.authorizations import USER

NUMBER = "4111111111111111"  # a published test number
MASKED = "411111******1111"


def stored(**details: Any) -> Any:
    """The stored details of a request with these fields."""
    body = {"transaction_id": "t", "user_id": USER, "amount": 1, **details}
    caller = Caller(
        "k", "default", is_test=True, scopes=frozenset(), secret_sha256=b"", currency="USD"
    )
    decoded = decode(json.dumps(body).encode(), AuthorizationBody)
    return json.loads(request_from_body(decoded, caller, request_id="r").details or "null")


def test_card_numbers_in_details_are_masked_before_storing() -> None:
    assert stored(
        merchant={"name": NUMBER},
        metadata={f"of {NUMBER}": ["4111 1111 1111 1111", int(NUMBER), 20261120, True]},
    ) == {
        "merchant": {"name": MASKED},
        "metadata": {f"of {MASKED}": [MASKED, MASKED, 20261120, True]},
    }


def test_keys_that_are_equal_once_masked_are_refused() -> None:
    other = "4111110000091111"

    with pytest.raises(ProblemError, match="two keys that differ only in a card number"):
        stored(metadata={"cards": [{NUMBER: "lost", other: "stolen"}]})


@pytest.mark.parametrize(
    "number", [-int(NUMBER), float(NUMBER), -float(NUMBER), 4111111111111111.5]
)
def test_negative_or_float_card_number_is_masked(number: float) -> None:
    assert stored(metadata={"a": number})["metadata"]["a"].lstrip("-") == MASKED


@pytest.mark.parametrize(
    "number", [-165607766620, -(2**53 - 1), 0.4111111111111111, -9.0e249, 1e308, -0.0, 5e-324]
)
def test_other_numbers_are_stored_unchanged(number: float) -> None:
    assert stored(metadata={"a": number}) == {"metadata": {"a": number}}
