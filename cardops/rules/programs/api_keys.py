"""API keys of a program's partners: their form, their verification, their scopes.

Belongs here: keys and callers as values. Storing them is the adapter's work.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from cardops.rules.programs.programs import quoted

KEY_ID_LENGTH: Final = 12
KEY_SECRET_LENGTH: Final = 40
MAX_HEADER_LENGTH: Final = 256
MAX_KEY_NAME_LENGTH: Final = 100

_BEARER = re.compile(r"[Bb]earer +cpk_(test|live)_([A-Za-z0-9]{1,64})_([A-Za-z0-9]{1,128})")
_KEY_ID = re.compile(r"[A-Za-z0-9]{1,64}")


class Scope(StrEnum):
    """What a key may do."""

    AUTHORIZATIONS_WRITE = "authorizations:write"
    AUTHORIZATIONS_READ = "authorizations:read"
    CALLBACKS_ADMIN = "callbacks:admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret, as it is listed."""

    key_id: str
    program: str
    name: str
    is_test: bool
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A newly created key; `key` holds the secret, is shown once and stored nowhere."""

    key_id: str
    key: str = field(repr=False)
    program: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A live key and its program's settings: all that authenticating a request needs."""

    key_id: str
    program: str
    is_test: bool
    scopes: frozenset[str]
    secret_sha256: bytes = field(repr=False)
    currency: str
    callback_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """The key that a request presents; not yet verified."""

    key_id: str
    is_test: bool
    secret: str = field(repr=False)


def parse_bearer(header: str) -> PresentedKey | None:
    """The key of an Authorization header, or None where it is malformed."""
    if len(header) > MAX_HEADER_LENGTH or not (match := _BEARER.fullmatch(header)):
        return None
    return PresentedKey(match[2], match[1] == "test", match[3])


def named_key_id(text: str) -> str | None:
    """The key id in a text that is a key id or a whole key, else None. It verifies nothing."""
    presented = parse_bearer(f"Bearer {text}")
    if presented is not None:
        return presented.key_id
    return text if _KEY_ID.fullmatch(text) else None


def key_name_problem(name: str) -> str | None:
    """What makes the key's name invalid, or None. Names are listed one per line."""
    if 0 < len(name) <= MAX_KEY_NAME_LENGTH and name.isprintable() and name.strip() == name:
        return None
    return (
        f"A key's name has 1 to {MAX_KEY_NAME_LENGTH} printable characters and neither begins nor "
        "ends with a space."
    )


def scope_problem(scopes: tuple[str, ...]) -> str | None:
    """What makes the scopes invalid, or None."""
    known = {scope.value for scope in Scope}
    unknown = [scope for scope in scopes if scope not in known]
    if scopes and not unknown:
        return None
    correction = f"; correct {quoted(', '.join(unknown))}" if unknown else ""
    return f"Scopes are one or more of {', '.join(sorted(known))}{correction}."


def is_verified(presented: PresentedKey, caller: Caller | None) -> bool:
    """Whether the secret is the caller's, compared in constant time."""
    expected = caller.secret_sha256 if caller else bytes(32)
    is_same = hmac.compare_digest(secret_sha256(presented.secret), expected)
    return is_same and caller is not None and caller.is_test == presented.is_test


def secret_sha256(secret: str) -> bytes:
    """The stored hash of a secret. A secret is long and random, so no salt or stretching."""
    return hashlib.sha256(secret.encode()).digest()


def key_text(key_id: str, secret: str, *, is_test: bool) -> str:
    """`cpk_<test|live>_<id>_<secret>`."""
    return f"cpk_{'test' if is_test else 'live'}_{key_id}_{secret}"
