"""Compares a demo's figures with the truth of its day: every difference is one sentence.

Belongs here: comparing, and nothing else. The figures are passed in.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from cardops.rules.intake.files import FileOutcome, IntakeFile, RowReason

if TYPE_CHECKING:
    from orchestration.demo.deadlines import FoundDeadlines
    from orchestration.demo.filed_lines import FiledLines
    from orchestration.demo.kpis import FoundAnswers

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


def kpi_differences(truth: Json, kpis: Mapping[str, Json]) -> list[str]:
    """Every KPI, figure by figure: rates, both sides of them, failures, outcomes."""
    return [
        difference
        for name, expected in truth["kpis"].items()
        for difference in _compare(f"{name} of {{}}", expected, kpis[name])
    ]


def answer_differences(truth: Json, found: "FoundAnswers") -> list[str]:
    """Days to respond, by card company, reason and currency."""
    days: dict[str, list[int]] = {}
    for name, answer in truth["dispute_answers"].items():
        said = [answer["answered_on"]] if answer["answered_on"] else []
        answers = [date.fromisoformat(text) for text in said]
        if answer["is_answered_by_arrival"] and name in found.arrived_on:
            answers.append(found.arrived_on[name])
        opened_on = date.fromisoformat(answer["opened_on"])
        if answers:
            days.setdefault(answer["group"], []).append((min(answers) - opened_on).days)
    expected = {
        group: {
            "answered": len(numbers),
            "average_days": _hundredths(sum(numbers), len(numbers)),
            "longest_days": max(numbers),
        }
        for group, numbers in days.items()
    }
    return list(_compare("days to respond of {}", expected, found.groups))


def _hundredths(total: int, count: int) -> str:
    return f"{(Decimal(total) / count).quantize(Decimal('0.01'), ROUND_HALF_UP):f}"


def dispute_differences(truth: Json, disputes: Mapping[str, Json]) -> list[str]:
    """Disputes by their last steps, over all batches of the day."""
    return list(_compare("the disputes at {}", truth["disputes"]["networks"], disputes))


def deadline_differences(truth: Json, found: "FoundDeadlines", closed_on: date) -> list[str]:
    """Every open dispute: its stage, its clock and the days left, in the mart and in the work queue.

    Days of the mart count from the last date that was closed.
    """
    open_disputes = truth["deadlines"]["disputes"]
    differences: list[str] = []
    if open_disputes and found.mart.as_of != closed_on:
        differences.append(
            f"the mart's days should count from {closed_on}, and count from {found.mart.as_of}"
        )
    for where, shown in (("mart", found.mart), ("work queue", found.queue)):
        as_of = shown.as_of or closed_on
        expected = {
            name: _deadline(dispute, found.arrived_on.get(name), as_of)
            for name, dispute in open_disputes.items()
        }
        differences += _compare(f"in the {where} the dispute {{}}", expected, shown.disputes)
    return differences


def _deadline(dispute: Json, arrived_on: date | None, as_of: date) -> dict[str, Any]:
    """A dispute of the truth on that day."""
    due_on = date.fromisoformat(dispute["reply_by"]) if dispute["reply_by"] else None
    if dispute["days_after_arrival"] is not None and arrived_on is not None:
        due_on = arrived_on + timedelta(days=dispute["days_after_arrival"])
    days_left = None if due_on is None else (due_on - as_of).days
    return {
        "stage": dispute["stage"],
        "clock": dispute["clock"],
        "reply_by": due_on and due_on.isoformat(),
        "days_left": days_left,
        "is_overdue": days_left is not None and days_left < 0,
    }


def filed_differences(truth: Json, filed: "FiledLines") -> list[str]:
    """Lines with filled columns, each filled column, and flags, over all files; nothing waits."""
    expected = truth["chargebacks"]["filed"]
    lines = {network: said["lines"] for network, said in expected["networks"].items()}
    columns = {network: said["columns"] for network, said in expected["networks"].items()}
    return [
        *_compare("lines with filled columns at {}", lines, filed.filled),
        *_compare("columns filled for {}", columns, filed.columns),
        *_compare("lines with the flag {}", expected["flags"], filed.flags),
        *_compare("accepted rows in no file ({})", {}, filed.waiting),
    ]


def ring_differences(truth: Json, found: Json) -> list[str]:
    """The members of each fraud ring and what they did; identifiers that link nobody."""
    expected = truth["fraud_ring_figures"]
    return [
        *_compare("the ring of {}", expected["rings"], found["rings"]),
        *_compare("users of each hub of kind {}", expected["hubs"], found["hubs"]),
    ]


def money_differences(expected: Json, found: Json) -> list[str]:
    """Credits of disputed purchases: whether each stands, is final or was taken back."""
    return list(_compare("the disputed money of {}", expected, found))


def held_differences(expected: Json, found: Json) -> list[str]:
    """Disputes of the program that holds some: what was sent, and what waits."""
    return list(_compare("disputed money's rows {}", expected, found))


def monitoring_differences(expected: Json, found: Json) -> list[str]:
    """Where merchants stand in monitoring programmes."""
    return list(_compare("the monitoring of {}", expected, found))


def health_differences(expected: Json, found: Json) -> list[str]:
    """Each judged provider's days, of the program of which some are ill."""
    return list(_compare("provider health of {}", expected, found))


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
