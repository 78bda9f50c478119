"""Signed headers: compatible with Standard Webhooks, and the same bytes as ever."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook

from cardops.rules.callbacks.secrets import live_secrets, with_new_secret
from cardops.services.callbacks.signing import signed_headers, signers_of
from tests.factories.authorizations import NOON

BODY = '{"amount":25.00,"merchant":"Café"}'.encode()
SECRETS = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_" + base64.b64encode(b"2" * 32).decode(),
]


def expected_headers(
    callback_id: str, at: datetime, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """HMAC-SHA256 as the specification has it, with the standard library alone."""
    timestamp = str(int(at.timestamp()))
    content = f"{callback_id}.{timestamp}.".encode() + body
    signatures = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, content, hashlib.sha256).digest()
        signatures.append("v1," + base64.b64encode(digest).decode())
    return {
        "webhook-id": callback_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def test_headers_match_the_test_vector_of_standard_webhooks() -> None:
    """The vector that the specification's own libraries are tested with."""
    at = datetime.fromtimestamp(1614265330, UTC)

    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', signers_of(SECRETS[:1])
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secrets", [SECRETS[:1], SECRETS, SECRETS[::-1]])
@pytest.mark.parametrize(
    "at",
    [
        NOON,
        NOON.replace(microsecond=999_999),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_headers_are_byte_for_byte_those_of_the_specification(
    at: datetime, secrets: list[str]
) -> None:
    signers = signers_of(secrets)

    assert signed_headers("cb_1", at, BODY, signers) == expected_headers("cb_1", at, BODY, secrets)


def test_each_of_two_live_secrets_verifies_the_headers() -> None:
    first, value = with_new_secret(None, b"1" * 32, NOON)
    second, value = with_new_secret(value, b"2" * 32, NOON)

    headers = signed_headers(
        "cb_1", datetime.now(UTC), b'{"amount":25.00}', signers_of(live_secrets(value))
    )

    for secret in (first, second):
        Webhook(secret).verify(b'{"amount":25.00}', headers)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_c2hvcnQ=", "whsec_MTIz!NDU2"])
def test_malformed_or_short_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"base64|less than|padding|Only"):
        signers_of([secret])
