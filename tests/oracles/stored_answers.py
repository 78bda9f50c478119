"""What an answer of the store tells, in the plain model's words: amounts in minor units."""

import json
from typing import Any

from cardops.rules.authorizations.actions import MoveAnswer
from cardops.rules.authorizations.decisions import Answer


def minor(amount: float) -> int:
    return round(amount * 100)


def told(answer: Answer) -> dict[str, Any]:
    if not answer.body:
        return {"kind": answer.kind.value}
    body = json.loads(answer.body)
    return {
        "kind": answer.kind.value,
        "status": body["status"],
        "reason": body["reason_code"],
        "remaining": minor(body["remaining_credit"]),
    }


def moved(answer: MoveAnswer) -> dict[str, Any]:
    if not answer.body:
        state = {} if answer.state is None else {"state": answer.state.value}
        return {"kind": answer.result.value, **state}
    body = json.loads(answer.body)
    extra = {"increment": body["increment"]["reason_code"]} if "increment" in body else {}
    return {"kind": answer.result.value, **viewed(body), **extra}


def viewed(body: dict[str, Any]) -> dict[str, Any]:
    held, captured = minor(body["held_amount"]), minor(body["captured_amount"])
    return {"state": body["state"], "held": held, "captured": captured}
