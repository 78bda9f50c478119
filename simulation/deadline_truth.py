"""By when each open dispute of a simulated day is to be answered, and which clock says so.

Belongs here: one entry a dispute, from what the generator decided about its last row.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from simulation.dispute_clocks import PROCESSOR_DAYS
from simulation.dispute_names import files_by_row, name_of
from simulation.dispute_rows import ENDED, dispute_key, grouped, is_accepted, stage_of
from simulation.rows import InputFile

Json = dict[str, Any]
NOBODY = "nobody"


def deadlines_truth(files: Sequence[InputFile]) -> Json:
    """The processor's days that are to be set before, counts by card company and clock, open disputes.

    A dispute is named `<network> <case number>`, else `<network> <transaction> <minor units>`. Its
    `reply_by` is a day; or it is `days_after_arrival` of the row that began its stage, which says no day.
    """
    file_of = files_by_row(files)
    last = [rows[-1] for rows in grouped(files, is_accepted, dispute_key)]
    disputes = {
        name_of(file_of[id(row)], row): {
            "stage": stage_of(file_of[id(row)], row),
            "clock": row.due.clock,
            "reply_by": row.due.reply_by and row.due.reply_by.isoformat(),
            "days_after_arrival": row.due.days_after_arrival,
        }
        for row in last
        if row.cells["status"] not in ENDED
    }
    return {
        "processor_days": PROCESSOR_DAYS,
        "networks": _by_network(disputes),
        "disputes": dict(sorted(disputes.items())),
    }


def _by_network(disputes: Json) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for name, dispute in disputes.items():
        network = name.partition(" ")[0]
        found.setdefault(network, Counter())[dispute["clock"] or NOBODY] += 1
    return {network: dict(sorted(found[network].items())) for network in sorted(found)}
