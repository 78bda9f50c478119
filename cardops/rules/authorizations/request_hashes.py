"""The request hash: two bodies with one id are the same request if their decision fields agree."""

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
    """Equal for requests whose decision fields mean the same, however they are spelled."""
    if callback_url is None and not details:
        # Fast path for the usual request; same text as below, since an id needs no escapes.
        capture = "true" if is_capture else "false"
        text = f'["{user_id}",{amount_minor},"{currency}",{capture},null,null]'
        return hashlib.sha256(text.encode()).digest()
    fields = [user_id, amount_minor, currency, is_capture, callback_url, canonical(details or None)]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).digest()


def canonical(value: object) -> object:
    """The canonical form of a JSON value: 1.0 becomes 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): canonical(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(member) for member in value]
    return value
