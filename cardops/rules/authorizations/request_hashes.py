"""When two bodies under one id are the same question: when their decision fields mean the same."""

import hashlib
import json
from collections.abc import Mapping


def request_hash(
    user_id: str,
    amount_minor: int,
    currency: str,
    *,
    is_capture: bool,
    callback_url: str | None,
    details: Mapping[str, object] | None,
) -> bytes:
    """Equal for questions whose decision fields mean the same, whatever their spelling was."""
    if callback_url is None and not details:
        # The usual question, in the very spelling of the general one: an id needs no escapes.
        capture = "true" if is_capture else "false"
        text = f'["{user_id}",{amount_minor},"{currency}",{capture},null,null]'
        return hashlib.sha256(text.encode()).digest()
    fields = [user_id, amount_minor, currency, is_capture, callback_url, canonical(details or None)]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).digest()


def canonical(value: object) -> object:
    """A JSON value in one spelling: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): canonical(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(member) for member in value]
    return value
