"""From what clients remember, and the order that the store says, to events of each account.

Belongs here: joining the two, and what is wrong with answers taken alone. What each thing changed
is worked out from what clients asked; the store gives places, and what nobody was told of.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.oracles.histories import NEVER, Event, Spent
from tests.oracles.ledger_totals import rows
from tests.oracles.recording import Call

# Of a refusal for another reason than credit, nothing is to be said against the balance.
ANY_AMOUNT = 1 << 62

DECISIONS = """
select transaction_id, user_id, amount_minor, is_capture, status, reason_code, remaining_minor,
    ledger_seq, answer, decided_at
from decisions
"""
MOVEMENTS = """
select transaction_id, kind, movement_key, user_id, status, reason_code, amount_minor, ledger_seq,
    answer, posted_at
from movements where user_id is not null order by user_id, ledger_seq, status
"""
DEPOSITS = "select deposit_id, user_id, amount_minor, ledger_seq, intake_id from deposit_events"
Key = tuple[str, str, str]


class Remembered:
    """`events` by user; `wrong` lists answers that no order of anything could make right."""

    def __init__(
        self,
        url: str,
        calls: Sequence[Call],
        files: Mapping[int, tuple[float, float]],
    ) -> None:
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.wrong: list[str] = []
        self._calls: dict[Key, list[Call]] = defaultdict(list)
        for call in calls:
            self._calls[call.transaction_id, call.kind, call.key].append(call)
            if call.status >= 500 and call.status != 503:
                self.wrong.append(f"{call.kind} of {call.transaction_id} was {call.status}")
        self._held: dict[str, int] = {}
        self._read_decisions(rows(url, DECISIONS))
        self._read_movements(rows(url, MOVEMENTS))
        self._read_deposits(rows(url, DEPOSITS), files)
        self._expect_nothing_else()

    def _read_decisions(self, stored: Iterable[tuple[Any, ...]]) -> None:
        for name, user, amount, is_capture, status, reason, remaining, seq, response, at in stored:
            calls = self._calls.pop((name, "authorize", ""), [])
            began, ended = self._told(name, calls, amount, response)
            told = json.loads(response)
            sent = (told["status"], round(told["remaining_credit"] * 100), told["as_of"])
            if sent != (status, remaining, {"ledger_seq": seq}):
                self.wrong.append(f"{name} was answered otherwise than it was stored")
            if status == "PERMIT":
                self._held[name] = 0 if is_capture else amount
                spent = Spent(at, amount)
                event = Event(name, seq, -amount, remaining, began, ended, spent=spent)
            else:
                event = Event(name, seq, 0, remaining, began, ended)
                event = refused(event, reason, Spent(at, amount))
            self.events[user].append(event)

    def _read_movements(self, stored: Iterable[tuple[Any, ...]]) -> None:
        """In the account's order, refusals after what they saw: each finds its hold as it stood."""
        for name, kind, key, user, status, reason, amount, seq, response, at in stored:
            calls = self._calls.pop((name, kind, key), [])
            whole = self._held.get(name, 0)
            # A capture without an amount asks for all that is held.
            asked = [call if call.amount_minor is not None else None for call in calls]
            wished = amount if all(asked) and kind not in {"void", "expire"} else None
            began, ended = self._told(f"{name}/{kind}/{key}", calls, wished, response)
            if status == "REJECT":
                spent = Spent(at, amount, whole)
                event = Event(f"{name}/{kind}/{key}", seq, 0, None, began, ended)
                event = refused(event, reason, spent)
            else:
                change = {
                    "capture": whole - amount,
                    "void": whole,
                    "expire": whole,
                    "increment": -amount,
                    "refund": amount,
                }[kind]
                if kind == "increment":
                    self._held[name] = whole + amount
                elif kind != "refund":
                    self._held[name] = 0
                spends = Spent(at, amount, whole) if kind == "increment" else None
                name_of_move = f"{name}/{kind}/{key}"
                event = Event(name_of_move, seq, change, None, began, ended, spent=spends)
            self.events[user].append(event)

    def _read_deposits(
        self, stored: Iterable[tuple[Any, ...]], files: Mapping[int, tuple[float, float]]
    ) -> None:
        for name, user, amount, seq, intake_id in stored:
            self.events[user].append(Event(name, seq, amount, None, *files[intake_id]))

    def _told(
        self, name: str, calls: Sequence[Call], amount: int | None, response: bytes
    ) -> tuple[float, float]:
        """When it can have happened; every answer to it must be the one that is stored."""
        answered = [call for call in calls if call.status == 200]
        for call in answered:
            if call.body != response:
                self.wrong.append(f"{name} was answered with other bytes than are stored")
            if amount is not None and call.amount_minor != amount:
                self.wrong.append(f"{name} was answered for another amount than it was decided for")
        first = [call for call in answered if not call.is_replayed]
        is_sure = all(call.status not in {0, 503} for call in calls)
        if len(first) > 1 or (is_sure and answered and not first):
            self.wrong.append(f"{name} was answered {len(first)} times as the first")
        fitting = [call for call in calls if amount is None or call.amount_minor == amount]
        if not fitting and calls:
            self.wrong.append(f"{name} stands for what nobody asked")
        began = min((call.began for call in fitting), default=-NEVER)
        return began, min((call.ended for call in answered), default=NEVER)

    def _expect_nothing_else(self) -> None:
        """What is not stored must not have been answered 200 (but voids of ids not seen yet)."""
        for (name, kind, key), calls in self._calls.items():
            answered = {call.body for call in calls if call.status == 200}
            if kind == "void" and len(answered) == 1:
                continue
            if answered:
                self.wrong.append(f"{name}/{kind}/{key} was answered and is not stored")


def refused(event: Event, reason: str, spent: Spent) -> Event:
    """It changed nothing: missing credit is judged by the balance, limits by what is spent."""
    asked = spent.amount_minor if reason == "insufficient_credit" else ANY_AMOUNT
    limited = spent if reason == "velocity_limit" else None
    return replace(event, is_effective=False, asked_minor=asked, spent=limited)
