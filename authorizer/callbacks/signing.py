"""Headers of callbacks, signed with each program's live secrets."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from authorizer.logs import LOGGER
from cardops.ports import SecretStore
from cardops.rules.callbacks.callbacks import Callback, sign
from cardops.rules.callbacks.secrets import live_secrets, secret_name

# A store may be far away and paid by the call. The secret before the newest still verifies, so
# a partner is not harmed by a few seconds of it.
KEPT_SECONDS: Final = 10.0


class UnsignedError(RuntimeError):
    """A callback cannot be signed; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class _Kept:
    looked_up: asyncio.Task[list[str]]
    until: float


class CallbackSigner:
    """Looks secrets up once a program for some seconds; a store that fails harms its program."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store
        self._kept: dict[str, _Kept] = {}

    async def headers(self, callback: Callback, at: datetime) -> dict[str, str]:
        """The headers of Standard Webhooks. Raises UnsignedError."""
        secrets = await self._secrets(callback.program)
        if not secrets:
            raise UnsignedError(
                f"The program {callback.program} has no callback secret; make one with "
                f"`cardops program rotate-secret {callback.program}`."
            )
        try:
            return sign(callback.callback_id, at, callback.body, secrets)
        except ValueError:
            raise UnsignedError(
                f"A callback secret of {callback.program} is not whsec_ and base64; make a new "
                f"one with `cardops program rotate-secret {callback.program}`, twice."
            ) from None

    async def _secrets(self, program: str) -> list[str]:
        kept = self._kept.get(program)
        if kept is None or kept.until < time.monotonic():
            looked_up = asyncio.create_task(self._look_up(program))
            kept = self._kept[program] = _Kept(looked_up, time.monotonic() + KEPT_SECONDS)
        # Whoever gives up waiting does not end it for the others.
        return await asyncio.shield(kept.looked_up)

    async def _look_up(self, program: str) -> list[str]:
        try:
            return live_secrets(await asyncio.to_thread(self._store.get, secret_name(program)))
        except Exception:  # noqa: BLE001 - a store may fail in any way
            LOGGER.exception("the callback secrets of a program cannot be read")
            raise UnsignedError(
                f"The callback secrets of {program} cannot be read; see the log of this process "
                "and check CARDOPS_SECRETS."
            ) from None
