"""What an answer of the store tells, in the plain model's words: amounts in minor units."""

import json
from typing import Any

from cardops.rules.authorizations.actions import ActionResponse
from cardops.rules.authorizations.decisions import AuthorizationResponse


def minor(amount: float) -> int:
    return round(amount * 100)


def told(response: AuthorizationResponse) -> dict[str, Any]:
    if not response.body:
        return {"kind": response.kind.value}
    body = json.loads(response.body)
    return {
        "kind": response.kind.value,
        "status": body["status"],
        "reason": body["reason_code"],
        "remaining": minor(body["remaining_credit"]),
    }


def moved(response: ActionResponse) -> dict[str, Any]:
    if not response.body:
        state = {} if response.state is None else {"state": response.state.value}
        return {"kind": response.result.value, **state}
    body = json.loads(response.body)
    extra = {"increment": body["increment"]["reason_code"]} if "increment" in body else {}
    return {"kind": response.result.value, **viewed(body), **extra}


def viewed(body: dict[str, Any]) -> dict[str, Any]:
    held, captured = minor(body["held_amount"]), minor(body["captured_amount"])
    return {"state": body["state"], "held": held, "captured": captured}
