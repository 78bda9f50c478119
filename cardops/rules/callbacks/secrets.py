"""The callback secrets of a program: at most two are live, so that a partner can change over."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from cardops.rules.authorizations.decisions import instant_text

MAX_LIVE_SECRETS: Final = 2
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of every secret, not one
SECRET_BYTES: Final = 32
MIN_SECRET_BYTES: Final = 16


def secret_name(program: str) -> str:
    """The secret's name in the secret store."""
    return f"callbacks/{program}"


def live_secrets(value: Mapping[str, object] | None) -> list[str]:
    """The live secrets of a stored value, newest first."""
    entries = (value or {}).get("secrets")
    if not isinstance(entries, list):
        return []
    return [str(entry["secret"]) for entry in entries if isinstance(entry, dict)]


def with_new_secret(
    value: Mapping[str, object] | None, random_bytes: bytes, at: datetime
) -> tuple[str, dict[str, object]]:
    """(the new secret, the value to store): newest first, older ones than the second dropped."""
    secret = SECRET_PREFIX + base64.b64encode(random_bytes).decode()
    entries = (value or {}).get("secrets")
    earlier = entries if isinstance(entries, list) else []
    new = {"secret": secret, "created_at": instant_text(at)}
    return secret, {"secrets": [new, *earlier][:MAX_LIVE_SECRETS]}


def signing_key(secret: str) -> bytes:
    """The key of a secret, `whsec_` and base64. Raises ValueError when malformed or too short."""
    # Strict: lenient decoding skips invalid characters, and an empty key is no secret at all.
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"a callback secret has less than {MIN_SECRET_BYTES} bytes")
    return key
