"""The events of each account, from the calls that clients recorded and the order in the store.

Belongs here: joining the two, and errors that single responses show. The amount of each change
follows from the clients' requests; the store gives positions, and changes without a response.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.oracles.histories import NEVER, Event, Spent
from tests.oracles.ledger_totals import rows
from tests.oracles.recording import Call

# A rejection for a reason other than credit says nothing about the balance.
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


class ObservedEvents:
    """`events` by user; `errors` lists responses that no order explains."""

    def __init__(
        self,
        url: str,
        calls: Sequence[Call],
        files: Mapping[int, tuple[float, float]],
    ) -> None:
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.errors: list[str] = []
        self._calls: dict[Key, list[Call]] = defaultdict(list)
        for call in calls:
            self._calls[call.transaction_id, call.kind, call.key].append(call)
            if call.status >= 500 and call.status != 503:
                self.errors.append(f"{call.kind} of {call.transaction_id} was {call.status}")
        self._held: dict[str, int] = {}
        self._read_decisions(rows(url, DECISIONS))
        self._read_movements(rows(url, MOVEMENTS))
        self._read_deposits(rows(url, DEPOSITS), files)
        self._expect_nothing_else()

    def _read_decisions(self, stored: Iterable[tuple[Any, ...]]) -> None:
        for name, user, amount, is_capture, status, reason, remaining, seq, response, at in stored:
            calls = self._calls.pop((name, "authorize", ""), [])
            began, ended = self._time_span(name, calls, amount, response)
            body = json.loads(response)
            sent = (body["status"], round(body["remaining_credit"] * 100), body["as_of"])
            if sent != (status, remaining, {"ledger_seq": seq}):
                self.errors.append(f"{name} was returned with other figures than are stored")
            if status == "PERMIT":
                self._held[name] = 0 if is_capture else amount
                spent = Spent(at, amount)
                event = Event(name, seq, -amount, remaining, began, ended, spent=spent)
            else:
                event = Event(name, seq, 0, remaining, began, ended)
                event = refused(event, reason, Spent(at, amount))
            self.events[user].append(event)

    def _read_movements(self, stored: Iterable[tuple[Any, ...]]) -> None:
        """In the account's order, rejections after the change they saw, so that holds are right."""
        for name, kind, key, user, status, reason, amount, seq, response, at in stored:
            calls = self._calls.pop((name, kind, key), [])
            held = self._held.get(name, 0)
            # A capture without an amount captures all that is held.
            has_amounts = all(call.amount_minor is not None for call in calls)
            requested = amount if has_amounts and kind not in {"void", "expire"} else None
            began, ended = self._time_span(f"{name}/{kind}/{key}", calls, requested, response)
            if status == "REJECT":
                spent = Spent(at, amount, held)
                event = Event(f"{name}/{kind}/{key}", seq, 0, None, began, ended)
                event = refused(event, reason, spent)
            else:
                change = {
                    "capture": held - amount,
                    "void": held,
                    "expire": held,
                    "increment": -amount,
                    "refund": amount,
                }[kind]
                if kind == "increment":
                    self._held[name] = held + amount
                elif kind != "refund":
                    self._held[name] = 0
                spends = Spent(at, amount, held) if kind == "increment" else None
                event_name = f"{name}/{kind}/{key}"
                event = Event(event_name, seq, change, None, began, ended, spent=spends)
            self.events[user].append(event)

    def _read_deposits(
        self, stored: Iterable[tuple[Any, ...]], files: Mapping[int, tuple[float, float]]
    ) -> None:
        for name, user, amount, seq, intake_id in stored:
            self.events[user].append(Event(name, seq, amount, None, *files[intake_id]))

    def _time_span(
        self, name: str, calls: Sequence[Call], amount: int | None, response: bytes
    ) -> tuple[float, float]:
        """When the event can have happened; every response to it must equal the stored one."""
        successful = [call for call in calls if call.status == 200]
        for call in successful:
            if call.body != response:
                self.errors.append(f"{name} was returned with other bytes than are stored")
            if amount is not None and call.amount_minor != amount:
                self.errors.append(f"{name} was returned for another amount than was decided")
        first = [call for call in successful if not call.is_replayed]
        is_sure = all(call.status not in {0, 503} for call in calls)
        if len(first) > 1 or (is_sure and successful and not first):
            self.errors.append(f"{name} was returned {len(first)} times as a new decision")
        fitting = [call for call in calls if amount is None or call.amount_minor == amount]
        if not fitting and calls:
            self.errors.append(f"{name} is stored without any such request")
        began = min((call.began for call in fitting), default=-NEVER)
        return began, min((call.ended for call in successful), default=NEVER)

    def _expect_nothing_else(self) -> None:
        """Without a stored row no call may have got 200, except voids of ids not yet seen."""
        for (name, kind, key), calls in self._calls.items():
            successful = {call.body for call in calls if call.status == 200}
            if kind == "void" and len(successful) == 1:
                continue
            if successful:
                self.errors.append(f"{name}/{kind}/{key} was returned and is not stored")


def refused(event: Event, reason: str, spent: Spent) -> Event:
    """An event without effect: credit is checked against the balance, limits against usage."""
    requested = spent.amount_minor if reason == "insufficient_credit" else ANY_AMOUNT
    limited = spent if reason == "velocity_limit" else None
    return replace(event, is_effective=False, requested_minor=requested, spent=limited)
