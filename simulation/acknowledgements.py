"""What the simulated card companies answer about the chargeback files that they receive.

Belongs here: which rows they reject, and the acknowledgements in their outbound folders. A company
takes whatever it is sent, except some cases of simulated days, so files of anybody else are accepted.
"""

import csv
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

INBOX: Final = "inbox"
OUTBOX: Final = "outbox"
CONTROL_SUFFIX: Final = ".csv.ctl"
_SUFFIX: Final = ".ack.json"
_AGAIN_SUFFIX: Final = f".again{_SUFFIX}"
# Customers take no notice of names that begin with a dot.
_LATE_PREFIX: Final = ".late."
_SIMULATED_CASE: Final = re.compile(r"case-[0-9a-f]{6}-[0-9]{6}")
_REJECTED_OF: Final = 8
_REASONS: Final = (
    ("unknown_arn", "No sale with this ARN."),
    ("amount_above_sale", "The amount is above that of the sale."),
    ("wrong_reason_code", "The reason code does not apply to this sale."),
)
# What a pair of files raises that is not as agreed.
_DAMAGED: Final = (OSError, ValueError, LookupError, TypeError)
_log = logging.getLogger(__name__)
LineKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a company acknowledges. Late: not before its folder was looked into in vain."""

    rejects: bool = False
    is_late: bool = False
    writes_twice: bool = False


HABITS: Final[Mapping[str, Habits]] = {
    "visa": Habits(rejects=True),
    "mastercard": Habits(writes_twice=True),
    "amex": Habits(is_late=True),
}


def habits_of(network: str) -> Habits:
    """How that company acknowledges; the others do so at once, and accept every row."""
    return HABITS.get(network, Habits())


def rejection_of(network: str, case_number: str) -> tuple[str, str] | None:
    """Code and reason with which the company rejects the case's lines; None: it accepts them.

    The same for every run: it follows from a hash of the case number.
    """
    if not habits_of(network).rejects or not _SIMULATED_CASE.fullmatch(case_number):
        return None
    digest = hashlib.sha256(case_number.encode()).digest()
    return _REASONS[digest[1] % len(_REASONS)] if digest[0] % _REJECTED_OF == 0 else None


def acknowledge_missing(company: Path) -> None:
    """Acknowledge files that arrived before somebody could: those of an earlier version, say."""
    for control in sorted((company / INBOX).glob(f"*{CONTROL_SUFFIX}")):
        name = control.name.removesuffix(".ctl") + _SUFFIX
        outbox = company / OUTBOX
        if not (outbox / name).exists() and not (outbox / f"{_LATE_PREFIX}{name}").exists():
            acknowledge(company, control)


def acknowledge(company: Path, control: Path) -> None:
    """Write the acknowledgement of the file that this control file describes.

    A pair that does not belong together, or that is encrypted, gets none.
    """
    csv_file = control.with_suffix("")
    try:
        described = json.loads(control.read_bytes())
        if hashlib.sha256(csv_file.read_bytes()).hexdigest() != described["sha256"]:
            return
        said = _acknowledgement(company, csv_file, described)
    except _DAMAGED as error:
        _log.warning("%s is not acknowledged: %s", csv_file.name, error)
        return
    habits = habits_of(company.name)
    prefix = _LATE_PREFIX if habits.is_late else ""
    _write(company / OUTBOX, f"{prefix}{csv_file.name}{_SUFFIX}", said)
    if habits.writes_twice:
        _write(company / OUTBOX, f"{prefix}{csv_file.name}{_AGAIN_SUFFIX}", said)


def show_late(company: Path) -> None:
    """What was late is there from now on."""
    outbox = company / OUTBOX
    for path in outbox.glob(f"{_LATE_PREFIX}*"):
        with suppress(FileNotFoundError):
            path.rename(outbox / path.name.removeprefix(_LATE_PREFIX))


def _acknowledgement(
    company: Path, csv_file: Path, described: Mapping[str, Any]
) -> dict[str, object]:
    rejected = dict(_rejected(company.name, csv_file))
    sequence = int(described["sequence"])
    known = _lines_before(company / INBOX, sequence) if rejected else set[LineKey]()
    lines = [
        {
            "case_number": key[0],
            "stage": key[1],
            "action_sequence": int(key[2]),
            "code": code,
            "reason": reason,
        }
        for key, (code, reason) in sorted(rejected.items())
        # Corrected by then.
        if key not in known
    ]
    return {
        "version": 1,
        "sequence": sequence,
        "sha256": described["sha256"],
        "received_at": datetime.now(UTC).isoformat(),
        "rows": {"accepted": described["rows"] - len(lines), "rejected": len(lines)},
        "rejected": lines,
    }


def _rejected(network: str, csv_file: Path) -> Iterator[tuple[LineKey, tuple[str, str]]]:
    if not habits_of(network).rejects:
        return
    for key in _lines(csv_file):
        rejection = rejection_of(network, key[0])
        if rejection is not None:
            yield key, rejection


def _lines_before(inbox: Path, sequence: int) -> set[LineKey]:
    """The lines of files that the company received before the one with this sequence."""
    known = set[LineKey]()
    for control in inbox.glob(f"*{CONTROL_SUFFIX}"):
        with suppress(*_DAMAGED):
            if json.loads(control.read_bytes())["sequence"] < sequence:
                known.update(_lines(control.with_suffix("")))
    return known


def _lines(csv_file: Path) -> Iterator[LineKey]:
    with csv_file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            # A destination may name its columns otherwise; such a file is accepted as a whole.
            if "case_number" in row:
                yield row["case_number"], row["stage"], row["action_sequence"]


def _write(outbox: Path, name: str, said: Mapping[str, object]) -> None:
    """Under another name first: a customer may look at any moment."""
    part = outbox / f".part.{name}"
    part.write_text(json.dumps(said, indent=2), encoding="utf-8")
    part.replace(outbox / name)
