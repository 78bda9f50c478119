"""A FastAPI server without any decision: the framework's own cost of a response.

`python -m benchmarks.noop_server` prints its port and serves until it is stopped. `POST /typed` is
a typed FastAPI route with the body and the response of an authorization.
"""

from decimal import Decimal
from typing import Annotated

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from authorizer.main import HOST, bind


class Body(BaseModel):
    """An authorization request."""

    transaction_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    user_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    amount: Decimal
    currency: str | None = None
    capture: bool | None = None


class AsOf(BaseModel):
    """The account's sequence number at the decision."""

    ledger_seq: int


class Decision(BaseModel):
    """An authorization response."""

    transaction_id: str
    authorization_id: str
    status: str
    reason_code: str
    reason: str
    amount: float
    currency: str
    remaining_credit: float
    decided_at: str
    as_of: AsOf


def build() -> FastAPI:
    """The application."""
    app = FastAPI(openapi_url=None)

    @app.post("/typed")
    async def typed(body: Body) -> Decision:
        return Decision(
            transaction_id=body.transaction_id,
            authorization_id="auth_000000000000000000000000000000",
            status="PERMIT",
            reason_code="sufficient_credit",
            reason="Sufficient credit",
            amount=float(body.amount),
            currency=body.currency or "USD",
            remaining_credit=75.0,
            decided_at="2026-01-01T00:00:00.000000Z",
            as_of=AsOf(ledger_seq=1),
        )

    return app


def main() -> None:
    """Serve with the same uvicorn options as the authorizer."""
    bound = bind(HOST, 0)
    print(bound.getsockname()[1], flush=True)  # noqa: T201 - the parent process reads it
    config = uvicorn.Config(
        build(), loop="uvloop", http="httptools", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
