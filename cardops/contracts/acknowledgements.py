"""Acknowledgements as JSON: `docs/schemas/acknowledgements/1.json`.

Belongs here: reading the bytes that a card company wrote. Unknown members are left alone, so that a
partner may say more; a known one that is missing or of another type is refused, with its name.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cardops.rules.deliveries.acknowledgements import (
    Acknowledgement,
    LineKey,
    RejectedLine,
    UnreadableAcknowledgementError,
)

VERSION: Final = 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAX_TEXT: Final = 1000


def read_acknowledgement(content: bytes) -> Acknowledgement:
    """The acknowledgement. Raises UnreadableAcknowledgementError with what is wrong."""
    members = _object(_loaded(content), "it")
    if members.get("version") != VERSION or isinstance(members["version"], bool):
        raise _wrong(f"its version is not {VERSION}")
    rows = _object(members.get("rows"), "rows")
    listed = members.get("rejected")
    if not isinstance(listed, list):
        raise _wrong("rejected is not a list")
    sha256 = _text(members, "sha256").lower()
    if not _SHA256.fullmatch(sha256):
        raise _wrong("sha256 is not 64 hexadecimal digits")
    return Acknowledgement(
        sequence=_number(members, "sequence", minimum=1),
        sha256=sha256,
        received_at=_instant(members),
        accepted_count=_number(rows, "accepted"),
        rejected_count=_number(rows, "rejected"),
        rejected=tuple(_line(_object(line, "a rejected line")) for line in listed),
    )


def _loaded(content: bytes) -> object:
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_once, parse_float=_whole)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"it is not JSON: {error}") from None


def _whole(text: str) -> int | float:
    """A whole number is one however it is written, as JSON Schema says: 1.0 is 1."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _wrong("a member is there twice")
    return members


def _line(members: Mapping[str, Any]) -> RejectedLine:
    key = LineKey(
        _text(members, "case_number"),
        _text(members, "stage"),
        _number(members, "action_sequence", minimum=1),
    )
    network = _text(members, "network") if members.get("network") is not None else None
    return RejectedLine(key, _text(members, "code"), _text(members, "reason", minimum=0), network)


def _object(found: object, name: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise _wrong(f"{name} is not an object")
    return found


def _text(members: Mapping[str, Any], name: str, *, minimum: int = 1) -> str:
    found = members.get(name)
    if not isinstance(found, str) or not minimum <= len(found) <= _MAX_TEXT or "\0" in found:
        raise _wrong(f"{name} is not a text of {minimum} to {_MAX_TEXT} characters")
    return found


def _number(members: Mapping[str, Any], name: str, *, minimum: int = 0) -> int:
    found = members.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not minimum <= found < 1 << 63:
        raise _wrong(f"{name} is not a whole number from {minimum} on")
    return found


def _instant(members: Mapping[str, Any]) -> datetime:
    try:
        found = datetime.fromisoformat(_text(members, "received_at"))
        # One without offset is UTC, as everywhere.
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong("received_at is not a time in ISO 8601") from None


def _wrong(what: str) -> UnreadableAcknowledgementError:
    return UnreadableAcknowledgementError(what)
