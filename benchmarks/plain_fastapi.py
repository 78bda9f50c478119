"""The peer: the authorizer as most teams would write it, on the same tables.

FastAPI, a pydantic body, SQLAlchemy on asyncpg, one transaction per request: lock the account, look
up the id, debit, insert the decision and the callback, commit. It keeps what a caller relies on: no
permit overdraws, an id is decided once, a retry gets the same bytes, another request with that id is
refused (tests/benchmarks/test_plain_fastapi.py). Every choice favours it: statements instead of the
ORM, which takes twice as long; no blocks, spending limits, early voids, masked card numbers or logs.

`python -m benchmarks.plain_fastapi URL` prints its port and serves until it is stopped.
"""

import hashlib
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import asyncpg
import sqlalchemy as sa
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from authorizer.main import HOST, bind
from cardops.rules.programs.api_keys import Scope, parse_bearer, secret_sha256

# With 8 to 64 at 128 connections the differences were within the noise (decision 0041).
SESSIONS: Final = 16
CACHE_SECONDS: Final = 1.0
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class Body(BaseModel):
    """An authorization request."""

    model_config = ConfigDict(extra="forbid")

    transaction_id: Id
    user_id: Id
    amount: Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=2)]
    currency: Literal["USD"] = "USD"
    callback_url: Annotated[str, Field(pattern="^https://", max_length=2048)] | None = None

    @property
    def amount_minor(self) -> int:
        """In cents."""
        return int(self.amount * 100)

    @property
    def request_hash(self) -> bytes:
        """Equal for bodies that mean the same."""
        fields = [self.user_id, self.amount_minor, self.currency, self.callback_url]
        return hashlib.sha256(json.dumps(fields).encode()).digest()


class AsOf(BaseModel):
    """The account's sequence number at the decision."""

    ledger_seq: int


class DecisionOut(BaseModel):
    """A decision, as it is sent, stored and replayed."""

    transaction_id: str
    authorization_id: str
    status: str
    reason_code: str
    amount: float
    currency: str
    remaining_credit: float
    decided_at: datetime
    as_of: AsOf


_tables = sa.MetaData()
_KEYS: Final = sa.Table(
    "api_keys",
    _tables,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("program", sa.Text),
    sa.Column("secret_sha256", sa.LargeBinary),
    sa.Column("scopes", sa.ARRAY(sa.Text)),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
)
_ACCOUNTS: Final = sa.Table(
    "accounts",
    _tables,
    sa.Column("program", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("available_minor", sa.BigInteger),
    sa.Column("ledger_seq", sa.BigInteger),
)
_DECISIONS: Final = sa.Table(
    "decisions",
    _tables,
    sa.Column("program", sa.Text, primary_key=True),
    sa.Column("transaction_id", sa.Text, primary_key=True),
    sa.Column("authorization_id", sa.Text),
    sa.Column("question_hash", sa.LargeBinary),
    sa.Column("user_id", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("is_capture", sa.Boolean),
    sa.Column("status", sa.Text),
    sa.Column("reason_code", sa.Text),
    sa.Column("remaining_minor", sa.BigInteger),
    sa.Column("ledger_seq", sa.BigInteger),
    sa.Column("answer", sa.LargeBinary),
    sa.Column("key_id", sa.Text),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
)
_CALLBACKS: Final = sa.Table(
    "callbacks",
    _tables,
    sa.Column("callback_id", sa.Text, primary_key=True),
    sa.Column("program", sa.Text),
    sa.Column("transaction_id", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("body", sa.LargeBinary),
    sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)
# Built once: building a statement costs as much as running it.
_ACCOUNT: Final = (
    _ACCOUNTS.c.program == sa.bindparam("program_name"),
    _ACCOUNTS.c.user_id == sa.bindparam("user"),
    _ACCOUNTS.c.currency == sa.bindparam("code"),
)
_LOCK_ACCOUNT: Final = (
    sa.select(_ACCOUNTS.c.available_minor, _ACCOUNTS.c.ledger_seq)
    .where(*_ACCOUNT)
    .with_for_update()
)
_DEBIT: Final = (
    sa.update(_ACCOUNTS)
    .where(*_ACCOUNT, _ACCOUNTS.c.available_minor >= sa.bindparam("amount"))
    .values(
        available_minor=_ACCOUNTS.c.available_minor - sa.bindparam("amount"),
        ledger_seq=_ACCOUNTS.c.ledger_seq + 1,
    )
)
_FIND_DECISION: Final = sa.select(_DECISIONS.c.question_hash, _DECISIONS.c.answer).where(
    _DECISIONS.c.program == sa.bindparam("program_name"),
    _DECISIONS.c.transaction_id == sa.bindparam("id"),
)
_FIND_KEY: Final = sa.select(_KEYS).where(_KEYS.c.key_id == sa.bindparam("id"))


class Authorizations:
    """Decides requests, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._keys: dict[str, tuple[float, sa.Row[Any] | None]] = {}

    async def caller(self, authorization: Annotated[str, Header()] = "") -> sa.Row[Any]:
        """The key of the request. Raises HTTPException (401, 403)."""
        presented = parse_bearer(authorization)
        key = None if presented is None else await self._key(presented.key_id)
        if presented is None or key is None or key.revoked_at is not None:
            raise HTTPException(401)
        if key.secret_sha256 != secret_sha256(presented.secret):
            raise HTTPException(401)
        if Scope.AUTHORIZATIONS_WRITE not in key.scopes:
            raise HTTPException(403)
        return key

    async def _key(self, key_id: str) -> sa.Row[Any] | None:
        read_at, key = self._keys.get(key_id, (0.0, None))
        if time.monotonic() - read_at > CACHE_SECONDS:
            async with self._engine.connect() as connection:
                key = (await connection.execute(_FIND_KEY, {"id": key_id})).first()
            self._keys[key_id] = (time.monotonic(), key)
        return key

    async def decide(self, body: Body, caller: sa.Row[Any]) -> bytes:
        """The response to the request. Raises HTTPException (422)."""
        try:
            async with self._engine.begin() as connection:
                return await _decide(connection, body, caller)
        except IntegrityError:  # two first requests with one id were concurrent
            async with self._engine.begin() as connection:
                return await _decide(connection, body, caller)


async def _decide(connection: AsyncConnection, body: Body, caller: sa.Row[Any]) -> bytes:
    key = {"program_name": caller.program, "user": body.user_id, "code": body.currency}
    account = (await connection.execute(_LOCK_ACCOUNT, key)).first()
    known = {"program_name": caller.program, "id": body.transaction_id}
    stored = (await connection.execute(_FIND_DECISION, known)).first()
    if stored is not None:
        if stored.question_hash != body.request_hash:
            raise HTTPException(422, "This id was used for a different request before.")
        return bytes(stored.answer)
    if account is None:
        decision = _new_decision(body, caller, "REJECT", "unknown_user", 0, 0)
    elif account.available_minor < body.amount_minor:
        remaining, seq = account.available_minor, account.ledger_seq
        decision = _new_decision(body, caller, "REJECT", "insufficient_credit", remaining, seq)
    else:
        remaining, seq = account.available_minor - body.amount_minor, account.ledger_seq + 1
        await connection.execute(_DEBIT, {**key, "amount": body.amount_minor})
        decision = _new_decision(body, caller, "PERMIT", "sufficient_credit", remaining, seq)
    await connection.execute(sa.insert(_DECISIONS), decision)
    if body.callback_url is not None:
        await connection.execute(sa.insert(_CALLBACKS), _new_callback(decision, body.callback_url))
    return bytes(decision["answer"])


def _new_decision(
    body: Body, caller: sa.Row[Any], status: str, reason_code: str, remaining_minor: int, seq: int
) -> dict[str, Any]:
    out = DecisionOut(
        transaction_id=body.transaction_id,
        authorization_id=f"auth_{uuid.uuid4().hex}",
        status=status,
        reason_code=reason_code,
        amount=float(body.amount),
        currency=body.currency,
        remaining_credit=remaining_minor / 100,
        decided_at=datetime.now(UTC),
        as_of=AsOf(ledger_seq=seq),
    )
    return {
        "program": caller.program,
        "transaction_id": out.transaction_id,
        "authorization_id": out.authorization_id,
        "question_hash": body.request_hash,
        "user_id": body.user_id,
        "currency": out.currency,
        "amount_minor": body.amount_minor,
        "is_capture": True,
        "status": status,
        "reason_code": reason_code,
        "remaining_minor": remaining_minor,
        "ledger_seq": seq,
        "answer": out.model_dump_json().encode(),
        "key_id": caller.key_id,
        "decided_at": out.decided_at,
    }


def _new_callback(decision: dict[str, Any], url: str) -> dict[str, Any]:
    return {
        "callback_id": f"cb_{uuid.uuid4().hex}",
        "program": decision["program"],
        "transaction_id": decision["transaction_id"],
        "url": url,
        "body": decision["answer"],
        "next_attempt_at": decision["decided_at"],
        "created_at": decision["decided_at"],
    }


def build(database_url: str) -> FastAPI:
    """The application on this database."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(database_url),
        pool_size=SESSIONS,
        max_overflow=0,
    )
    authorizations = Authorizations(engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(openapi_url=None, lifespan=lifespan)

    @app.post("/v1/authorizations")
    async def authorize(
        body: Body, caller: Annotated[Any, Depends(authorizations.caller)]
    ) -> Response:
        return Response(await authorizations.decide(body, caller), media_type="application/json")

    return app


def main(database_url: str) -> None:
    """Serve with the same uvicorn options as the authorizer."""
    bound = bind(HOST, 0)
    print(bound.getsockname()[1], flush=True)  # noqa: T201 - the parent process reads it
    config = uvicorn.Config(
        build(database_url), loop="uvloop", http="httptools", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main(*sys.argv[1:])
