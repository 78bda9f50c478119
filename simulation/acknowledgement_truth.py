"""What the card companies must have answered about a simulated day's chargeback files.

Belongs here: counting lines from the day's rows, without reading any chargeback file.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cardops.rules.intake.files import Kind
from simulation.acknowledgements import habits_of, rejection_of
from simulation.rows import InputFile, Outcome, Row, totals_of

Json = dict[str, Any]


def acknowledgements_truth(files: Sequence[InputFile], chargebacks: Mapping[str, Any]) -> Json:
    """By card company: rows accepted and rejected, why, what is sent again, and how it answered.

    `chargebacks`: what each was sent before anything was rejected. A row that is sent again is
    accepted then. `late`: files of the day's first deliveries whose answer was not there at once.
    """
    rejected = rejected_lines(files)
    return {
        network: _of_network(network, sent["rows"], rejected.get(network, []), chargebacks)
        for network, sent in chargebacks["networks"].items()
    }


def _of_network(
    network: str,
    row_count: int,
    rejected: Sequence[tuple[Row, str]],
    chargebacks: Mapping[str, Any],
) -> Json:
    first = sum(network in chargebacks[name] for name in ("files", "released_files"))
    habits = habits_of(network)
    answered = first + bool(rejected)
    return {
        "files": answered,
        "accepted": row_count,
        "rejected": len(rejected),
        "reasons": dict(sorted(Counter(code for _, code in rejected).items())),
        "resent": {"rows": len(rejected), "totals": totals_of(row for row, _ in rejected)},
        "repeated": answered if habits.writes_twice else 0,
        "late": first if habits.is_late else 0,
    }


def rejected_lines(files: Sequence[InputFile]) -> dict[str, list[tuple[Row, str]]]:
    """By card company: the latest row of each rejected line, and the code of its rejection."""
    found: dict[str, list[tuple[Row, str]]] = {}
    for (network, case_number, _), row in _named_lines(files).items():
        rejection = rejection_of(network, case_number)
        if rejection is not None:
            found.setdefault(network, []).append((row, rejection[0]))
    return found


def _named_lines(files: Sequence[InputFile]) -> dict[tuple[str, str, str], Row]:
    """The latest row of each stage of a dispute that names its case."""
    lines: dict[tuple[str, str, str], Row] = {}
    for file in files:
        if file.kind != Kind("chargebacks") or "case_number" not in file.columns:
            continue
        for row in file.rows:
            if row.outcome is Outcome.ACCEPTED:
                stage = str(row.cells["stage"]) if "stage" in file.columns else "chargeback"
                lines[row.network, str(row.cells["case_number"]), stage] = row
    return lines
