"""What is in chargeback files beside rows and money, and what is in none: fills, flags, rows that wait.

Belongs here: reading. Lines are counted in the copies that the card companies have, and compared with what the
control files say; the marts say what waited at the close.
"""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cardops.bootstrap import Adapters
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from simulation.card_companies import CardCompanies


@dataclass(slots=True)
class FiledLines:
    """Lines with a filled column by card company, flags of lines, rows that wait by reason."""

    filled: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def filed_lines(
    adapters: Adapters, program: str, records: Sequence[ChargebackFileRecord]
) -> FiledLines:
    """The program's files, and what waited when its last date was closed."""
    companies = CardCompanies(adapters.settings.home)
    filled, flags, found = Counter[str](), Counter[str](), FiledLines()
    for record in records:
        path = companies.inbox(record.destination) / record.file_name
        if record.state is not DeliveryState.DELIVERED or not path.exists():
            continue
        control = json.loads(path.with_name(f"{path.name}.ctl").read_text("utf-8"))
        # Files of layout 1 say nothing of either.
        said, lines = control.get("filled", 0), _filled_lines(path)
        if lines != said:
            found.differences.append(
                f"{record.file_name} has {lines} lines with filled columns; its control file says {said}"
            )
        filled[record.network] += lines
        flags.update(control.get("flags", {}))
    found.filled, found.flags = dict(sorted(filled.items())), dict(sorted(flags.items()))
    found.waiting = _waiting(adapters, program)
    # The demo's program holds nothing, and each row that is rejected is sent again.
    found.differences += [
        f"{rows} accepted rows of disputes are in no file ({reason})"
        for reason, rows in found.waiting.items()
    ]
    return found


def _filled_lines(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as text:
        return sum(bool(line.get("filled_columns")) for line in csv.DictReader(text))


def _waiting(adapters: Adapters, program: str) -> dict[str, int]:
    """Rows by reason at the last close."""
    with adapters.warehouse.reading() as session:
        return dict(
            session.execute(
                "select reason, sum(row_count)::bigint from fct_waiting_disputes"
                " where program = ? and business_date = ("
                "   select max(business_date) from fct_daily_balances"
                " ) group by reason order by reason",
                [program],
            ).fetchall()
        )
