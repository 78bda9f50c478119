"""The signed headers of callbacks (Standard Webhooks), with each program's live secrets."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from cardops.ports import SecretStore
from cardops.rules.callbacks.callbacks import Callback
from cardops.rules.callbacks.secrets import live_secrets, secret_name, signing_key

LOGGER: Final = logging.getLogger("cardops.callbacks")
# Reading a secret store may be slow and paid by the call. After a rotation the previous secret
# still verifies, so a cache of a few seconds harms no partner.
CACHE_SECONDS: Final = 10.0


class UnsignedError(RuntimeError):
    """A callback cannot be signed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Why a program's callbacks cannot be signed, and what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class _CachedSigners:
    lookup: asyncio.Task[list[Webhook] | Unsigned]
    until: float


class CallbackSigner:
    """Reads each program's secrets once in `CACHE_SECONDS`; a failure affects its program only."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store
        self._cache: dict[str, _CachedSigners] = {}

    async def headers(self, callback: Callback, at: datetime) -> dict[str, str]:
        """The headers of Standard Webhooks, with a signature per live secret.

        Raises UnsignedError.
        """
        signers = await self._signers(callback.program)
        if isinstance(signers, Unsigned):
            raise UnsignedError(signers.message)
        return signed_headers(callback.callback_id, at, callback.body, signers)

    async def _signers(self, program: str) -> list[Webhook] | Unsigned:
        cached = self._cache.get(program)
        if cached is None or cached.until < time.monotonic():
            lookup = asyncio.create_task(self._look_up(program))
            cached = self._cache[program] = _CachedSigners(lookup, time.monotonic() + CACHE_SECONDS)
        # A caller that is cancelled must not cancel the lookup that others wait for.
        return await asyncio.shield(cached.lookup)

    async def _look_up(self, program: str) -> list[Webhook] | Unsigned:
        try:
            secrets = live_secrets(await asyncio.to_thread(self._store.get, secret_name(program)))
        except Exception:
            LOGGER.exception("the callback secrets of a program cannot be read")
            return Unsigned(
                f"The callback secrets of {program} cannot be read; see the log of this process "
                "and check CARDOPS_SECRETS."
            )
        if not secrets:
            return Unsigned(
                f"The program {program} has no callback secret; create one with "
                f"`cardops program rotate-secret {program}`."
            )
        try:
            return signers_of(secrets)
        except ValueError:
            return Unsigned(
                f"A callback secret of {program} is not whsec_ and base64; replace both secrets "
                f"by running `cardops program rotate-secret {program}` twice."
            )


def signers_of(secrets: Sequence[str]) -> list[Webhook]:
    """A signer per secret. Raises ValueError when a secret is malformed or too short."""
    return [Webhook(signing_key(secret)) for secret in secrets]


def signed_headers(
    callback_id: str, at: datetime, body: bytes, signers: Sequence[Webhook]
) -> dict[str, str]:
    """The three headers of Standard Webhooks; signatures are separated by a space."""
    # The library takes the clock time of an instant for UTC, whatever its time zone is.
    at, text = at.astimezone(UTC), body.decode()
    signatures = [signer.sign(callback_id, at, text) for signer in signers]
    return {
        "webhook-id": callback_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
