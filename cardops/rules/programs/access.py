"""Who may ask: card programs, the keys of their partners, what a key is allowed.

Belongs here: the form of a key and how one is proved. Does not belong here: where keys are kept.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from cardops.rules.intake.files import PROGRAM_PATTERN

KEY_ID_LENGTH: Final = 12
KEY_SECRET_LENGTH: Final = 40
MAX_HEADER_LENGTH: Final = 256
MAX_SHOWN: Final = 64
MAX_KEY_NAME_LENGTH: Final = 100

_BEARER = re.compile(r"[Bb]earer +cpk_(test|live)_([A-Za-z0-9]{1,64})_([A-Za-z0-9]{1,128})")
_KEY_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+")


class Scope(StrEnum):
    """What a key may do."""

    AUTHORIZATIONS_WRITE = "authorizations:write"
    AUTHORIZATIONS_READ = "authorizations:read"
    CALLBACKS_ADMIN = "callbacks:admin"


@dataclass(frozen=True, slots=True)
class Program:
    """A card program: its own currency, its way of splitting files, its callback hosts."""

    program: str
    currency: str = "USD"
    chargeback_mode: str = "by_network"
    callback_hosts: tuple[str, ...] = ()
    created_at: datetime | None = None


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


def program_problem(program: str) -> str | None:
    """Why this cannot be a program's name, or None."""
    if re.fullmatch(PROGRAM_PATTERN, program):
        return None
    return f"{_shown(program)} cannot name a program: use 1 to 32 of a-z, 0-9 and the hyphen."


def host_problem(host: str) -> str | None:
    """Why this cannot be a registered callback host, or None."""
    is_name = _HOST.fullmatch(host) and not re.fullmatch(r"[0-9.]+|.*\.(0x[0-9a-f]*|[0-9]+)", host)
    if is_name and host != "localhost":
        return None
    return (
        f"{_shown(host)} cannot be a callback host: give a full lower-case host name such as "
        "hooks.example.com, without scheme, port or address."
    )


def scope_problem(scopes: tuple[str, ...]) -> str | None:
    """Why these cannot be a key's scopes, or None."""
    known = {scope.value for scope in Scope}
    strangers = [scope for scope in scopes if scope not in known]
    if scopes and not strangers:
        return None
    mend = f"; mend {_shown(', '.join(strangers))}" if strangers else ""
    return f"Scopes are one or more of {', '.join(sorted(known))}{mend}."


def _shown(text: str) -> str:
    """What somebody typed, harmless to a terminal and not longer than a line."""
    return ascii(text) if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]!a}…"
