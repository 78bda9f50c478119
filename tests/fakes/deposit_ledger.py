"""A DepositLedger in memory: the model that the real one is compared with."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from typing_extensions import override

from cardops.ports import DepositLedger
from cardops.rules.accounts.ledger import MAX_BALANCE_MINOR, Account
from cardops.rules.intake.files import IntakeFile, StagingLostError
from cardops.rules.intake.groups import FileGroup
from tests.oracles.deposit_books import TOTALS, AccountTotals

Key = tuple[str, str, str]
OUTCOME = pl.Schema({"row_number": pl.Int64(), "outcome": pl.String(), "ledger_seq": pl.Int64()})
CREDITED = pl.Schema({"row_number": pl.Int64(), "ledger_seq": pl.Int64()})
KEY = {"program": pl.String(), "user_id": pl.String(), "currency": pl.String()}


@dataclass
class Event:
    """One credit of a deposit."""

    intake_id: int
    row_number: int
    content: tuple[Any, ...]
    account: Key
    amount_minor: int
    ledger_seq: int
    is_recalled: bool = False


class FakeDepositLedger(DepositLedger):
    """Credits at once and remembers each credit of each deposit, the latest last."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], list[Event]] = defaultdict(list)
        self.requests: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.unfinished: set[int] = set()
        self.sequences: dict[Key, int] = defaultdict(int)
        # What `_sums` adds up: a file of thousands of rows asks for it with each of them.
        self.balances: dict[Key, int] = defaultdict(int)
        self.staged: dict[int, list[dict[str, Any]]] = {}
        self.refused: set[tuple[int, str]] = set()

    @override
    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        rows = [row for batch in batches for row in batch.to_dicts()]
        self.staged[intake_file.intake_id] = rows
        self.refused = {known for known in self.refused if known[0] != intake_file.intake_id}
        known = {id(event) for credited in self.events.values() for event in credited}
        for row in sorted(rows, key=lambda row: int(row["row_number"])):
            self._credit_once(intake_file, row)
        self.unfinished.discard(intake_file.intake_id)
        first = (credited[0] for credited in self.events.values() if credited)
        posted = [(event.row_number, event.ledger_seq) for event in first if id(event) not in known]
        return pl.DataFrame(posted, schema=CREDITED, orient="row")

    @override
    def credit_together(self, group: FileGroup, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        rows = sorted(
            (row for batch in batches for row in batch.to_dicts()),
            key=lambda row: int(row["row_number"]),
        )
        befores, outcomes = [*group.rows_before, 10**18], []
        refused: set[str] = set()
        for at, file in enumerate(group.files):
            own = [row for row in rows if befores[at] < row["row_number"] <= befores[at + 1]]
            repeats = [row for row in own if row["deposit_id"] in refused]
            others = [
                {**row, "row_number": row["row_number"] - befores[at]}
                for row in own
                if row not in repeats
            ]
            self.credit(file, [pl.DataFrame(others)] if others else [])
            found = self.outcome(file)
            refused |= {deposit_id for intake_id, deposit_id in self.refused}
            outcomes.append(found.with_columns(pl.col("row_number") + befores[at]))
            outcomes += [
                pl.DataFrame(
                    [(row["row_number"], "amount_out_of_range", None)], OUTCOME, orient="row"
                )
                for row in repeats
            ]
            self.forget_staged(file)
        return pl.concat(outcomes).sort("row_number")

    @override
    def outcome(
        self, intake_file: IntakeFile, credited: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        if intake_file.intake_id not in self.staged:
            raise StagingLostError(intake_file.intake_id)
        rows = [self._outcome_of(intake_file, row) for row in self.staged[intake_file.intake_id]]
        return pl.DataFrame(sorted(rows), schema=OUTCOME, orient="row")

    @override
    def forget_staged(self, intake_file: IntakeFile) -> None:
        self.staged.pop(intake_file.intake_id, None)

    @override
    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        self.unfinished.discard(intake_file.intake_id)
        totals: dict[str, int] = defaultdict(int)
        for credited in self.events.values():
            own = [event for event in credited if event.intake_id == intake_file.intake_id]
            for event in own:
                if not event.is_recalled:
                    event.is_recalled = True
                    self.balances[event.account] -= event.amount_minor
                    self.sequences[event.account] += 1
            for event in own[-1:]:
                totals[event.account[2]] += event.amount_minor
        return dict(totals)

    @override
    def request_reinstatement(
        self, intake_file: IntakeFile, requested_by: str, reason: str
    ) -> None:
        if intake_file.intake_id not in self.unfinished:
            self.requests[intake_file.intake_id].append((requested_by, reason))
            self.unfinished.add(intake_file.intake_id)

    @override
    def reinstated(self, intake_file: IntakeFile) -> Mapping[str, int]:
        totals: dict[str, int] = defaultdict(int)
        for credited in self.events.values():
            for event in credited[1:]:
                if event.intake_id == intake_file.intake_id and not event.is_recalled:
                    totals[event.account[2]] += event.amount_minor
        return dict(totals)

    @override
    def accounts(self) -> Iterator[pl.DataFrame]:
        numbers = {name: pl.Int64() for name in ("available_minor", "held_minor", "ledger_seq")}
        rows = [(*key, self._balance(key), 0, seq) for key, seq in self.sequences.items()]
        if rows:
            yield pl.DataFrame(rows, schema=pl.Schema({**KEY, **numbers}), orient="row")

    def account(self, program: str, user_id: str, currency: str) -> Account | None:
        key = (program, user_id, currency)
        if key not in self.sequences:
            return None
        return Account(*key, self._balance(key), 0, self.sequences[key])

    def posting_totals(self) -> Iterator[pl.DataFrame]:
        rows = [(*key, *self._sums(key), 0, 0, 0) for key in self.sequences]
        if rows:
            yield pl.DataFrame(rows, schema=TOTALS, orient="row")

    def account_totals(self, program: str, user_id: str, currency: str) -> AccountTotals:
        key = (program, user_id, currency)
        return AccountTotals(*key, *self._sums(key), 0, 0)

    def _credit_once(self, intake_file: IntakeFile, row: dict[str, Any]) -> None:
        credited = self.events[intake_file.arrival.program, row["deposit_id"]]
        is_requested = intake_file.intake_id in self.unfinished
        if credited and not (credited[-1].is_recalled and is_requested):
            return
        account = (intake_file.arrival.program, row["user_id"], row["currency"])
        refusal = (intake_file.intake_id, row["deposit_id"])
        if refusal in self.refused:
            return
        if self.balances[account] + row["amount_minor"] > MAX_BALANCE_MINOR:
            self.refused.add(refusal)
            return
        self.sequences[account] += 1
        self.balances[account] += row["amount_minor"]
        credited.append(
            Event(
                intake_file.intake_id,
                row["row_number"],
                _content(row),
                account,
                row["amount_minor"],
                self.sequences[account],
            )
        )

    def _outcome_of(self, file: IntakeFile, row: dict[str, Any]) -> tuple[int, str, int | None]:
        number = int(row["row_number"])
        credited = self.events[file.arrival.program, row["deposit_id"]]
        is_refused = (file.intake_id, row["deposit_id"]) in self.refused
        if is_refused and (not credited or self._is_first(file, row)):
            return number, "amount_out_of_range", None
        event = credited[-1]
        if event.is_recalled:
            return number, "recalled_before", None
        if (event.intake_id, event.row_number) == (file.intake_id, number):
            return number, "accepted", event.ledger_seq
        same = event.content == _content(row)
        return number, "duplicate" if same else "conflicting_duplicate", None

    def _is_first(self, file: IntakeFile, row: dict[str, Any]) -> bool:
        same = [r for r in self.staged[file.intake_id] if r["deposit_id"] == row["deposit_id"]]
        return bool(row["row_number"] == min(r["row_number"] for r in same))

    def _sums(self, key: Key) -> tuple[int, int]:
        events = [event for credited in self.events.values() for event in credited]
        own = [event for event in events if event.account == key]
        recalled = sum(event.amount_minor for event in own if event.is_recalled)
        return sum(event.amount_minor for event in own), recalled

    def _balance(self, key: Key) -> int:
        deposits, recalls = self._sums(key)
        return deposits - recalls


def _content(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["user_id"], row["currency"], row["amount_minor"], row["occurred_at"]
