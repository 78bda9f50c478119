"""Merchant, channel and metadata: whatever JSON holds is kept, but no card number."""

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
CUT = "411111******1111"


def kept(**details: Any) -> Any:
    """What is stored of a question with these details."""
    body = {"transaction_id": "t", "user_id": USER, "amount": 1, **details}
    caller = Caller(
        "k", "default", is_test=True, scopes=frozenset(), secret_sha256=b"", currency="USD"
    )
    decoded = decode(json.dumps(body).encode(), AuthorizationBody)
    return json.loads(request_from_body(decoded, caller, request_id="r").details or "null")


def test_a_card_number_among_the_details_is_truncated_before_it_is_kept() -> None:
    assert kept(
        merchant={"name": NUMBER},
        metadata={f"of {NUMBER}": ["4111 1111 1111 1111", int(NUMBER), 20261120, True]},
    ) == {"merchant": {"name": CUT}, "metadata": {f"of {CUT}": [CUT, CUT, 20261120, True]}}


def test_two_keys_that_truncated_would_be_one_are_refused() -> None:
    other = "4111110000091111"

    with pytest.raises(ProblemError, match="two keys that differ in a card number alone"):
        kept(metadata={"cards": [{NUMBER: "lost", other: "stolen"}]})


@pytest.mark.parametrize(
    "number", [-int(NUMBER), float(NUMBER), -float(NUMBER), 4111111111111111.5]
)
def test_a_card_number_with_a_sign_or_as_a_float_is_truncated(number: float) -> None:
    assert kept(metadata={"a": number})["metadata"]["a"].lstrip("-") == CUT


@pytest.mark.parametrize(
    "number", [-165607766620, -(2**53 - 1), 0.4111111111111111, -9.0e249, 1e308, -0.0, 5e-324]
)
def test_any_other_number_is_kept_as_it_is(number: float) -> None:
    assert kept(metadata={"a": number}) == {"metadata": {"a": number}}
