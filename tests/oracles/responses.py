"""The content of the store's responses in the form of the model: amounts in minor units."""

import json
from typing import Any

from cardops.rules.authorizations.actions import ActionResponse
from cardops.rules.authorizations.decisions import AuthorizationResponse


def minor(amount: float) -> int:
    return round(amount * 100)


def decision_in(response: AuthorizationResponse) -> dict[str, Any]:
    if not response.body:
        return {"kind": response.kind.value}
    body = json.loads(response.body)
    return {
        "kind": response.kind.value,
        "status": body["status"],
        "reason": body["reason_code"],
        "remaining": minor(body["remaining_credit"]),
    }


def action_in(response: ActionResponse) -> dict[str, Any]:
    if not response.body:
        state = {} if response.state is None else {"state": response.state.value}
        return {"kind": response.result.value, **state}
    body = json.loads(response.body)
    extra = {"increment": body["increment"]["reason_code"]} if "increment" in body else {}
    return {"kind": response.result.value, **view_in(body), **extra}


def view_in(body: dict[str, Any]) -> dict[str, Any]:
    held, captured = minor(body["held_amount"]), minor(body["captured_amount"])
    return {"state": body["state"], "held": held, "captured": captured}
