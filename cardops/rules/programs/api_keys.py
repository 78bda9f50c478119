"""API keys of a program's partners: their form, their proof, what each may do.

Belongs here: keys and callers as values. Where keys are stored is the adapter's.
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
    """A key as it is listed: everything but its secret."""

    key_id: str
    program: str
    name: str
    is_test: bool
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is made; `key` is told once and kept nowhere."""

    key_id: str
    key: str = field(repr=False)
    program: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A live key with what its program says: everything a request needs to be judged."""

    key_id: str
    program: str
    is_test: bool
    scopes: frozenset[str]
    secret_sha256: bytes = field(repr=False)
    currency: str
    callback_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What a request claims to hold; not yet proved."""

    key_id: str
    is_test: bool
    secret: str = field(repr=False)


def parse_bearer(header: str) -> PresentedKey | None:
    """The key of an Authorization header, or None where it is not of our form."""
    if len(header) > MAX_HEADER_LENGTH or not (match := _BEARER.fullmatch(header)):
        return None
    return PresentedKey(match[2], match[1] == "test", match[3])


def named_key_id(text: str) -> str | None:
    """The id that an id names, or a whole key; None for what is neither. It proves nothing."""
    presented = parse_bearer(f"Bearer {text}")
    if presented is not None:
        return presented.key_id
    return text if _KEY_ID.fullmatch(text) else None


def key_name_problem(name: str) -> str | None:
    """Why this cannot be a key's name, or None. Names are listed, one a line."""
    if 0 < len(name) <= MAX_KEY_NAME_LENGTH and name.isprintable() and name.strip() == name:
        return None
    return (
        f"A key's name has 1 to {MAX_KEY_NAME_LENGTH} printable characters, the first and the "
        "last of them no space."
    )


def scope_problem(scopes: tuple[str, ...]) -> str | None:
    """Why these cannot be a key's scopes, or None."""
    known = {scope.value for scope in Scope}
    strangers = [scope for scope in scopes if scope not in known]
    if scopes and not strangers:
        return None
    mend = f"; mend {quoted(', '.join(strangers))}" if strangers else ""
    return f"Scopes are one or more of {', '.join(sorted(known))}{mend}."


def proves(presented: PresentedKey, caller: Caller | None) -> bool:
    """Whether the secret is that of the caller's key, compared in constant time."""
    expected = caller.secret_sha256 if caller else bytes(32)
    is_same = hmac.compare_digest(secret_sha256(presented.secret), expected)
    return is_same and caller is not None and caller.is_test == presented.is_test


def secret_sha256(secret: str) -> bytes:
    """What is stored of a key's secret. It is random and long: no salt or stretching is needed."""
    return hashlib.sha256(secret.encode()).digest()


def key_text(key_id: str, secret: str, *, is_test: bool) -> str:
    """`cpk_<test|live>_<id>_<secret>`."""
    return f"cpk_{'test' if is_test else 'live'}_{key_id}_{secret}"
