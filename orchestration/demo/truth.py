"""A demo's figures against the truth of its day: every difference is one sentence.

Belongs here: comparing, and nothing else. What was measured is handed in.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cardops.rules.intake.files import FileOutcome, IntakeFile, RowReason

Json = Mapping[str, Any]
COUNTS: Final = ("read", "accepted", "duplicate", "quarantined")
MAX_DIFFERENCES_TOLD: Final = 10


def file_differences(truth: Json, submitted: Mapping[str, IntakeFile]) -> list[str]:
    """Of each file: its counts, reasons, flags and money, to the row and to the cent.

    A file that was applied before must be all duplicates now.
    """
    return [
        f"{path}: {difference}"
        for path, told in truth["files"].items()
        for difference in _file_differences(
            told, submitted[path].outcome or FileOutcome(), _released_from(truth, path)
        )
    ]


def is_repeat(told: Json, outcome: FileOutcome) -> bool:
    """Whether everything that could be accepted had been accepted before."""
    return outcome.accepted == 0 and bool(told["accepted"])


def _released_from(truth: Json, path: str) -> int:
    return sum(truth["late_references"].get(path, {}).values())


def _file_differences(told: Json, outcome: FileOutcome, released: int) -> list[str]:
    if told["status"] == "refused":
        return [] if outcome.error else ["should have been refused whole, and was not"]
    if outcome.error:
        return [f"was refused: {outcome.error}"]
    expected = _repeated(told, released) if is_repeat(told, outcome) else told
    found = {
        **{name: getattr(outcome, name) for name in COUNTS},
        "reasons": dict(outcome.reasons),
        "flags": dict(outcome.flags),
        "totals": dict(outcome.totals_minor),
    }
    return [
        f"{name} should be {expected[name]}, is {found[name]}"
        for name in found
        if expected[name] != found[name]
    ]


def _repeated(told: Json, released: int) -> dict[str, Any]:
    """What the same file is told as when it comes again: nothing twice, nothing forgotten."""
    reasons = dict(told["reasons"])
    orphans = reasons.pop(RowReason.ORPHANED_REFERENCE, 0) - released
    return {
        "read": told["read"],
        "accepted": 0,
        "duplicate": told["accepted"] + told["duplicate"] + released,
        "quarantined": told["quarantined"] - released,
        "reasons": dict(sorted({**reasons, "orphaned_reference": orphans}.items()))
        if orphans
        else reasons,
        "flags": {},
        "totals": {},
    }


def lake_differences(truth: Json, rows: Mapping[str, int]) -> list[str]:
    """Rows by kind that stand in the lake, late ones included."""
    late = Counter[str]()
    for path, released in truth["late_references"].items():
        late[path.partition("/")[0]] += sum(released.values())
    expected = {kind: told["accepted"] + late[kind] for kind, told in truth["kinds"].items()}
    return list(_compare("the number of {} in the lake", expected, rows))


def balance_differences(truth: Json, balances: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """Every account: available, held and ledger balance."""
    expected = _by_account(truth["balances"])
    found = _by_account(balances)
    return list(_compare("the balance of {}", expected, found))


def _by_account(balances: Mapping[str, Mapping[str, Json]]) -> dict[str, dict[str, int]]:
    return {
        f"{user_id} in {currency}": dict(amounts)
        for user_id, accounts in balances.items()
        for currency, amounts in accounts.items()
    }


def delivery_differences(truth: Json, networks: Mapping[str, Json]) -> list[str]:
    """Rows and money that reached each card company, over all batches of the day."""
    return list(_compare("what {} received", truth["chargebacks"]["networks"], networks))


def kpi_differences(truth: Json, kpis: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """Both rates, as numerators and denominators by payment method."""
    return [
        difference
        for name, expected in truth["kpis"].items()
        for difference in _compare(f"{name} of {{}}", expected, kpis[name])
    ]


def answer_differences(truth: Json, traffic: Json) -> list[str]:
    """Permits, rejects and every single answer."""
    told = truth["authorizations"]
    expected = {name: told[name] for name in ("permits", "rejects", "reason_codes")}
    found = {name: traffic[name] for name in expected}
    wrong = [f"{traffic['mismatches']} answers differ from the truth"]
    return [*_compare("{}", expected, found), *(wrong if traffic["mismatches"] else [])]


def _compare(what: str, expected: Json, found: Json) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            place = what.format(name)
            yield f"{place} should be {expected.get(name)}, is {found.get(name)}"


def told_shortly(differences: Iterable[str]) -> list[str]:
    """The first few, and how many more."""
    every = list(differences)
    more = len(every) - MAX_DIFFERENCES_TOLD
    return every[:MAX_DIFFERENCES_TOLD] + ([f"… and {more} more"] if more > 0 else [])
