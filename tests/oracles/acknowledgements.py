"""What must become of acknowledgements: a slow and obvious model, one list for everything."""

from collections import Counter
from dataclasses import dataclass, field

from cardops.rules.deliveries.acknowledgements import AcknowledgementOutcome as Outcome

HOURS_AGREED_ON = 24


@dataclass
class SentFile:
    """A chargeback file at the card company. `verdict`: the cases that its first answer rejects."""

    name: str
    batch_id: str
    cases: list[str]
    sent_at_hour: int
    verdict: frozenset[str] | None = None
    accepted: int | None = None


@dataclass(frozen=True)
class Written:
    """An acknowledgement as the card company wrote it; `damage` is what is wrong with it."""

    name: str
    file: int
    rejected: frozenset[str] = frozenset()
    damage: str = ""


@dataclass
class AcknowledgementModel:
    """Hours pass only when somebody says so."""

    files: list[SentFile] = field(default_factory=list)
    now_hour: int = 0
    first_poll_hour: int | None = None
    rejected_before: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)
    alarms: Counter[str] = field(default_factory=Counter)
    missed: set[str] = field(default_factory=set)
    # Files that cannot be read are looked at twice.
    unreadable: list[Written] = field(default_factory=list)

    def poll(self, written: list[Written]) -> tuple[list[tuple[str, Outcome]], list[list[str]]]:
        """Outcomes by name in the order in which they are read, and what is sent once more."""
        outcomes, resent = list[tuple[str, Outcome]](), list[list[str]]()
        if self.first_poll_hour is None:
            self.first_poll_hour = self.now_hour
        again, self.unreadable = self.unreadable, []
        for answer in written:
            outcome, reopened = self._read(answer)
            outcomes.append((answer.name, outcome))
            resent += [reopened] if reopened else []
        for answer in again:
            outcomes.append((answer.name, Outcome.UNREADABLE))
            self.alarms[f"Acknowledgement {answer.name} of visa is unreadable"] += 1
        self._miss()
        return outcomes, resent

    def _read(self, answer: Written) -> tuple[Outcome, list[str]]:
        if answer.damage == "text":
            self.unreadable.append(answer)
            return Outcome.UNREADABLE, []
        outcome = self._outcome(answer)
        if outcome is Outcome.MATCHED:
            return outcome, self._stand(answer)
        if outcome is not Outcome.REPEATED:
            self.alarms[f"Acknowledgement {answer.name} of visa is {outcome}"] += 1
        return outcome, []

    def _outcome(self, answer: Written) -> Outcome:
        if answer.damage in {"sequence", "sha256"}:
            return Outcome.UNKNOWN
        file = self.files[answer.file]
        if answer.damage or not answer.rejected <= set(file.cases):
            return Outcome.INCONSISTENT
        if file.verdict is None:
            return Outcome.MATCHED
        return Outcome.REPEATED if file.verdict == answer.rejected else Outcome.CONFLICTING

    def _stand(self, answer: Written) -> list[str]:
        file = self.files[answer.file]
        file.verdict, file.accepted = answer.rejected, len(file.cases) - len(answer.rejected)
        if answer.rejected:
            count = len(answer.rejected)
            self.alarms[f"visa rejected {count} rows of a chargeback file"] += 1
        elif self.now_hour > file.sent_at_hour + HOURS_AGREED_ON:
            self.alarms[f"Acknowledgement {answer.name} of visa came late"] += 1
        again = sorted(answer.rejected - self.rejected_before)
        self.waiting += sorted(answer.rejected & self.rejected_before)
        self.rejected_before |= answer.rejected
        return again

    def _miss(self) -> None:
        first = self.first_poll_hour or 0
        for file in self.files:
            due = file.sent_at_hour + HOURS_AGREED_ON
            is_due = first <= due < self.now_hour
            if file.verdict is None and is_due and file.name not in self.missed:
                self.missed.add(file.name)
                self.alarms[f"No acknowledgement of chargeback file {file.name}"] += 1
