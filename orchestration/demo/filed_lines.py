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
from cardops.rules.chargebacks.files import NAME_SEPARATOR
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from simulation.card_companies import CardCompanies


@dataclass(slots=True)
class FiledLines:
    """Lines with a filled column by card company, flags of lines, rows that wait by reason.

    `columns`: how often each column was filled, by card company.
    """

    filled: dict[str, int] = field(default_factory=dict)
    columns: dict[str, dict[str, int]] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def filed_lines(
    adapters: Adapters, program: str, records: Sequence[ChargebackFileRecord]
) -> FiledLines:
    """The program's files, and what waited when its last date was closed."""
    companies = CardCompanies(adapters.settings.home)
    filled, flags, found = Counter[str](), Counter[str](), FiledLines()
    columns: dict[str, Counter[str]] = {}
    for record in records:
        path = companies.inbox(record.destination) / record.file_name
        if record.state is not DeliveryState.DELIVERED or not path.exists():
            continue
        control = json.loads(path.with_name(f"{path.name}.ctl").read_text("utf-8"))
        # Files of layout 1 say nothing of either.
        said, marks = control.get("filled", 0), _filled_columns(path)
        lines = len(marks)
        if lines != said:
            found.differences.append(
                f"{record.file_name} has {lines} lines with filled columns; its control file says {said}"
            )
        filled[record.network] += lines
        columns.setdefault(record.network, Counter()).update(
            name for line in marks for name in line.split(NAME_SEPARATOR)
        )
        flags.update(control.get("flags", {}))
    found.filled, found.flags = dict(sorted(filled.items())), dict(sorted(flags.items()))
    found.columns = {network: dict(sorted(columns[network].items())) for network in columns}
    found.waiting = waiting_rows(adapters, program)
    return found


def _filled_columns(path: Path) -> list[str]:
    """Of each line that has any."""
    with path.open(newline="", encoding="utf-8") as text:
        names = [line.get("filled_columns") for line in csv.DictReader(text)]
    return [name for name in names if name]


def waiting_rows(adapters: Adapters, program: str) -> dict[str, int]:
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
