"""Makes a day of a card program's files with the known results: `generate`.

Belongs here: the order in which a day is made, and which files are written where. The same rows,
seed and date give the same bytes: every subject has its own random stream, and no clock is read.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Final

from simulation import truth
from simulation.acknowledgement_truth import acknowledgements_truth, rejected_lines
from simulation.authorizations import Request, make_requests
from simulation.chargebacks import make_chargeback_files
from simulation.deadline_truth import deadlines_truth
from simulation.deposits import make_deposit_files
from simulation.disputes import make_disputes
from simulation.file_formats import write_input_file
from simulation.filed_truth import filed_truth
from simulation.kpi_truth import kpis_truth
from simulation.orders import make_order_files
from simulation.outcome_truth import dispute_answers, dispute_ends
from simulation.population import World, make_world
from simulation.purchases import make_purchases, make_some_late
from simulation.ring_truth import ring_figures_truth
from simulation.rows import InputFile, count_of
from simulation.transactions import make_transaction_files

DEFAULT_ROWS: Final = 5_000
DEFAULT_SEED: Final = 7
DEFAULT_HISTORY_END: Final = date(2026, 11, 1)
MAX_ROWS: Final = 10_000_000
REQUESTS_PATH: Final = "authorizations/requests.ndjson"
TRUTH_PATH: Final = "truth.json"
# Counts up when a day of the same size, seed and date gets other files.
_EDITION: Final = 2
_LATE_PER_MILLE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day before it is written."""

    world: World
    files: list[InputFile]
    requests: list[Request]
    truth: truth.Json


def generate(
    rows: int = DEFAULT_ROWS,
    seed: int = DEFAULT_SEED,
    history_end: date = DEFAULT_HISTORY_END,
    out: Path = Path("day"),
) -> truth.Json:
    """Write the day under `out`, replacing any earlier one; returns the content of truth.json.

    `rows` deposits are to be credited; there are as many purchases and authorization requests,
    and bad rows, repeats and conflicts on top.
    """
    day = make_day(rows, seed, history_end)
    for file in day.files:
        write_input_file(file, out / file.path)
    requests = "".join(f"{request.body}\n" for request in day.requests)
    _write(out / REQUESTS_PATH, requests)
    _write(out / TRUTH_PATH, _truth_text(day.truth))
    return day.truth


def make_day(rows: int, seed: int, history_end: date) -> Day:
    """The day's files in submission order, its requests, and its truth."""
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"rows must be from 1 to {MAX_ROWS}, not {rows}")
    label = f"{rows}/{seed}/{history_end.isoformat()}"
    # Ids of one day never meet those of another, so days may be run into one home: also where an
    # earlier version of the generator made one of the same size.
    tag = hashlib.sha256(f"{label}/{_EDITION}".encode()).hexdigest()[:6]

    def stream(subject: str) -> Random:
        return Random(f"{label}/{subject}")  # noqa: S311 - a simulation wants to be repeatable

    world = make_world(stream("world"), tag, rows)
    files = _make_files(world, rows, history_end, stream)
    accounts = truth.accounts_after(files)
    after_deposits = truth.balances_truth(accounts)
    requests = make_requests(stream("requests"), world, rows, accounts)
    chargebacks = truth.chargebacks_truth(files)
    rejected = rejected_lines(files).values()
    resent = [row for rows in rejected for row, _ in rows]
    day_truth: truth.Json = {
        "rows": rows,
        "seed": seed,
        "history_end": history_end.isoformat(),
        "tag": tag,
        "submission_order": [file.path for file in files],
        "files": {file.path: truth.file_truth(file) for file in files},
        "kinds": truth.kinds_truth(files),
        "late_references": truth.late_truth(files),
        "chargebacks": {
            **chargebacks,
            "acknowledgements": acknowledgements_truth(files, chargebacks),
            "filed": filed_truth(files, resent),
        },
        "disputes": truth.disputes_truth(files),
        "deadlines": deadlines_truth(files),
        "kpis": kpis_truth(files),
        "dispute_answers": dispute_answers(dispute_ends(files)),
        "fraud_rings": truth.rings_truth(world.rings),
        "fraud_ring_figures": ring_figures_truth(files, world.rings),
        "balances_after_deposits": after_deposits,
        "balances": truth.balances_truth(accounts),
        "authorizations": truth.authorizations_truth(requests),
    }
    return Day(world, files, requests, day_truth)


def _make_files(
    world: World, rows: int, history_end: date, stream: Callable[[str], Random]
) -> list[InputFile]:
    """Files in submission order: a file follows those that it refers to, except late ones."""
    purchases = make_purchases(stream("purchases"), world, rows, history_end)
    late = count_of(rows, _LATE_PER_MILLE)
    make_some_late(stream("late"), purchases, late)
    deposits = make_deposit_files(stream("deposits"), world, rows, history_end)
    *orders, late_orders = make_order_files(stream("orders"), world, purchases, rows)
    transactions = make_transaction_files(stream("transactions"), world, purchases, rows)
    chargebacks = make_chargeback_files(
        stream("chargebacks"),
        world,
        purchases,
        make_disputes(stream("disputes"), purchases, history_end),
        rows=rows,
        late_transactions=transactions.late.path,
    )
    in_time = [transactions.cards, transactions.shop, transactions.archive]
    files = [
        *deposits,
        *orders,
        *in_time,
        late_orders,
        *chargebacks.all(),
        transactions.late,
    ]
    for file in files:
        file.arrange()
    # A file without rows would be refused as empty: a tiny day has fewer files.
    return [file for file in files if file.rows]


def _truth_text(day_truth: truth.Json) -> str:
    """One line per subject: readable, and quick to write for a big day."""
    lines = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(value)}" for key, value in day_truth.items()
    )
    return f"{{\n{lines}\n}}\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
