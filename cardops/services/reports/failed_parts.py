"""Parts of analytics that the close could not make: which figures of the page are older, or left out.

Belongs here: from what failed to the sentence that says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cardops.services.reports.figures import ReportFigures, records_of

RINGS: Final = "fraud_rings"
# So many causes are named; all of them are in the table.
_NAMED: Final = 3
_LONGEST_REASON: Final = 300
_BALANCES: Final = "Closing balances"
_RATES: Final = "Rates"
_DISPUTES: Final = "Disputes by stage and days left"
_DELIVERIES: Final = "Deliveries and acknowledgements"
_BOOKS: Final = "Reconciliation"
_MATCHES: Final = "Authorizations, settlements and disputes"
# What shows figures -> the part of the page in which it stands.
TITLES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("money", "money_by_day"), "Money in and out"),
    **dict.fromkeys(("decisions", "decisions_by_hour", "reject_reasons"), "Permits and rejects"),
    **dict.fromkeys(("balances", "balance_history"), _BALANCES),
    **dict.fromkeys(("failure_rates", "failure_days", "failure_codes"), _RATES),
    "chargeback_rates": _RATES,
    **dict.fromkeys(("disputes", "queue", "deadlines", "overdue", "waiting"), _DISPUTES),
    **dict.fromkeys(("provisional", "provisional_totals"), "Disputed money"),
    **dict.fromkeys(("batches", "acknowledgements"), _DELIVERIES),
    **dict.fromkeys(("breaks", "break_totals", "safeguarding"), _BOOKS),
    **dict.fromkeys(("matches", "match_breaks"), _MATCHES),
    **dict.fromkeys(
        ("monitoring", "monitoring_levels", "monitoring_gaps"), "Monitoring programmes"
    ),
    RINGS: "Fraud rings",
    "freshness": "Freshness",
}
_FORMER: Final = "those of the build before"


def failed_sentences(figures: ReportFigures) -> list[str]:
    """What could not be made and why, and of when its figures are: one sentence each for marts and rings."""
    failed = records_of(figures.failed_parts)
    models = [record for record in failed if record["part"] != RINGS]
    rings = [record for record in failed if record["part"] == RINGS]
    return [
        *([_sentence(models, _causes(models), _FORMER)] if models else []),
        *(_sentence([record], _short(record["reason"]), _of_rings(figures)) for record in rings),
    ]


def failed_rows(figures: ReportFigures) -> list[dict[str, Any]]:
    """One row for each part: its name, why, the parts of the page that show it, and of when they are."""
    return [
        {
            "part": record["part"],
            "reason": _short(record["reason"]) or "reads a part that failed",
            "shown_in": ", ".join(_titles([record])) or "no part of this page",
            "figures": _state(record, figures),
        }
        for record in records_of(figures.failed_parts)
    ]


def reasons_of(figures: ReportFigures) -> dict[str, str]:
    """Part -> why it failed, of those that failed themselves."""
    failed = records_of(figures.failed_parts)
    return {record["part"]: _short(record["reason"]) for record in failed if record["reason"]}


def _sentence(records: Sequence[Mapping[str, Any]], causes: str, state: str) -> str:
    left_out = _titles([record for record in records if record["is_missing"]])
    older = [title for title in _titles(records) if title not in left_out]
    if not older and not left_out:
        return f"Marts could not be made because {causes}; no part of this page shows them."
    effects = [
        *([f"figures of {_listed(older)} are {state}"] if older else []),
        *([f"figures of {_listed(left_out)} are left out"] if left_out else []),
    ]
    parts = _titles(records)
    noun = "part" if len(parts) == 1 else "parts"
    return f"The {noun} {_listed(parts)} could not be made because {causes}: {'; '.join(effects)}."


def _causes(models: Sequence[Mapping[str, Any]]) -> str:
    failed = [record for record in models if record["reason"]]
    named = [f"{record['part']} failed ({_short(record['reason'])})" for record in failed[:_NAMED]]
    more = len(failed) - len(named)
    return "; ".join([*named, *([f"{more} more failed"] if more else [])])


def _of_rings(figures: ReportFigures) -> str:
    rings = figures.rings
    return f"those of the snapshot of {rings.as_of_on}" if rings else "left out"


def _state(record: Mapping[str, Any], figures: ReportFigures) -> str:
    if record["part"] == RINGS:
        return _of_rings(figures)
    return "left out" if record["is_missing"] else _FORMER


def _titles(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each part of the page once, in the page's order."""
    frames = {frame for record in records for frame in record["frames"].split()}
    return list(dict.fromkeys(title for frame, title in TITLES.items() if frame in frames))


def _listed(titles: Sequence[str]) -> str:
    *first, last = titles
    return f"{', '.join(first)} and {last}" if first else last


def _short(reason: str) -> str:
    text = " ".join(reason.split()).rstrip(".")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
