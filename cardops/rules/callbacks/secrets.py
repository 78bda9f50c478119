"""The callback secrets of a program: at most two live ones, so that a partner can change over."""

from collections.abc import Mapping
from datetime import datetime

from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.callbacks.callbacks import MAX_LIVE_SECRETS, secret_text


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
    """(the new secret, the value to store): the newest first, all but two dropped."""
    secret = secret_text(random_bytes)
    entries = (value or {}).get("secrets")
    earlier = entries if isinstance(entries, list) else []
    new = {"secret": secret, "created_at": instant_text(at)}
    return secret, {"secrets": [new, *earlier][:MAX_LIVE_SECRETS]}
