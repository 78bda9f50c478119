"""Compares a demo's figures with the truth of its day: every difference is one sentence.

Belongs here: comparing, and nothing else. The figures are passed in.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cardops.rules.intake.files import FileOutcome, IntakeFile, RowReason

Json = Mapping[str, Any]
COUNTS: Final = ("read", "accepted", "duplicate", "quarantined")
MAX_DIFFERENCES_SHOWN: Final = 10


def file_differences(truth: Json, submitted: Mapping[str, IntakeFile]) -> list[str]:
    """Counts, reasons, flags and amounts of each file.

    A file that was applied before must consist of duplicates now.
    """
    return [
        f"{path}: {difference}"
        for path, expected in truth["files"].items()
        for difference in _file_differences(
            expected, submitted[path].outcome or FileOutcome(), _released_from(truth, path)
        )
    ]


def is_repeat(expected: Json, outcome: FileOutcome) -> bool:
    """Whether every row that could be accepted had been accepted before."""
    return outcome.accepted == 0 and bool(expected["accepted"])


def _released_from(truth: Json, path: str) -> int:
    return sum(truth["late_references"].get(path, {}).values())


def _file_differences(truth: Json, outcome: FileOutcome, released: int) -> list[str]:
    if truth["status"] == "refused":
        return [] if outcome.error else ["should have been refused, and was not"]
    if outcome.error:
        return [f"was refused: {outcome.error}"]
    expected = _repeated(truth, released) if is_repeat(truth, outcome) else truth
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


def _repeated(first: Json, released: int) -> dict[str, Any]:
    """The figures of the same file when it is submitted again."""
    reasons = dict(first["reasons"])
    orphans = reasons.pop(RowReason.ORPHANED_REFERENCE, 0) - released
    return {
        "read": first["read"],
        "accepted": 0,
        "duplicate": first["accepted"] + first["duplicate"] + released,
        "quarantined": first["quarantined"] - released,
        "reasons": dict(sorted({**reasons, "orphaned_reference": orphans}.items()))
        if orphans
        else reasons,
        "flags": {},
        "totals": {},
    }


def lake_differences(truth: Json, rows: Mapping[str, int]) -> list[str]:
    """Rows of each kind in the lake, those of late references included."""
    late = Counter[str]()
    for path, released in truth["late_references"].items():
        late[path.partition("/")[0]] += sum(released.values())
    expected = {kind: counts["accepted"] + late[kind] for kind, counts in truth["kinds"].items()}
    return list(_compare("the number of {} in the lake", expected, rows))


def balance_differences(truth: Json, balances: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """Available, held and ledger balance of every account."""
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
    """Rows and amounts that reached each card company, over all batches of the day.

    Rows that were rejected reached it once more.
    """
    resent = truth["chargebacks"]["acknowledgements"]
    expected = {
        network: _sum(sent, resent[network]["resent"])
        for network, sent in truth["chargebacks"]["networks"].items()
    }
    return list(_compare("what {} received", expected, networks))


def _sum(sent: Json, resent: Json) -> dict[str, Any]:
    totals = Counter[str](sent["totals"]) + Counter[str](resent["totals"])
    return {"rows": sent["rows"] + resent["rows"], "totals": dict(sorted(totals.items()))}


def acknowledgement_differences(truth: Json, answers: Mapping[str, Json]) -> list[str]:
    """What each card company answered: rows accepted, rejected and why, sent once more."""
    known = truth["chargebacks"]["acknowledgements"]
    expected = {
        network: {name: figure for name, figure in said.items() if name != "late"}
        for network, said in known.items()
    }
    return list(_compare("what {} acknowledged", expected, answers))


def late_differences(truth: Json, late: Mapping[str, int]) -> list[str]:
    """Files that were not acknowledged at once, as long as none was delivered before."""
    known = truth["chargebacks"]["acknowledgements"]
    expected = {network: said["late"] for network, said in known.items() if said["late"]}
    return list(_compare("late acknowledgements of {}", expected, late))


def kpi_differences(truth: Json, kpis: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """Both rates, as numerators and denominators by payment method."""
    return [
        difference
        for name, expected in truth["kpis"].items()
        for difference in _compare(f"{name} of {{}}", expected, kpis[name])
    ]


def dispute_differences(truth: Json, disputes: Mapping[str, Json]) -> list[str]:
    """Disputes by their last steps, over all batches of the day."""
    return list(_compare("the disputes at {}", truth["disputes"]["networks"], disputes))


def money_differences(expected: Json, found: Json) -> list[str]:
    """Credits of disputed purchases: whether each stands, is final or was taken back."""
    return list(_compare("the disputed money of {}", expected, found))


def response_differences(truth: Json, traffic: Json) -> list[str]:
    """Permits, rejects, and every single response."""
    decisions = truth["authorizations"]
    expected = {name: decisions[name] for name in ("permits", "rejects", "reason_codes")}
    found = {name: traffic[name] for name in expected}
    mismatches = [f"{traffic['mismatches']} responses differ from the expected ones"]
    return [*_compare("{}", expected, found), *(mismatches if traffic["mismatches"] else [])]


def _compare(what: str, expected: Json, found: Json) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            subject = what.format(name)
            yield f"{subject} should be {expected.get(name)}, is {found.get(name)}"


def shortened(differences: Iterable[str]) -> list[str]:
    """The first few differences, and how many more there are."""
    listed = list(differences)
    more = len(listed) - MAX_DIFFERENCES_SHOWN
    return listed[:MAX_DIFFERENCES_SHOWN] + ([f"… and {more} more"] if more > 0 else [])
