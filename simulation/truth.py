"""The expected results of a simulated day: counts, balances, responses, files and rates.

Belongs here: adding up the expected outcomes of rows in the slow and obvious way, without any code of
the pipeline.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from cardops.rules.intake.files import Kind
from simulation.authorizations import Accounts, Balance, Request
from simulation.dispute_rows import (
    ENDED,
    dispute_key,
    grouped,
    is_accepted,
    is_at_once,
    is_released,
    stage_key,
)
from simulation.population import Ring
from simulation.rows import InputFile, Outcome, Row, totals_of

Json = dict[str, Any]
# The kinds of which a simulated day has files.
SIMULATED_KINDS: Final = tuple(map(Kind, ("deposits", "transactions", "orders", "chargebacks")))


def file_truth(file: InputFile) -> Json:
    """One file's counts, as `cardops submit --json` must report them."""
    if file.refused_for:
        counts = _counts([])
        return {"kind": str(file.kind), "status": "refused", "why": file.refused_for, **counts}
    return {"kind": str(file.kind), "status": "applied", **_counts(file.rows)}


def kinds_truth(files: Sequence[InputFile]) -> Json:
    """The same by kind, over all files that are applied."""
    return {
        str(kind): _counts(
            [
                row
                for file in files
                if file.kind == kind and not file.refused_for
                for row in file.rows
            ]
        )
        for kind in SIMULATED_KINDS
    }


def _counts(rows: Iterable[Row]) -> Json:
    members = list(rows)
    outcomes = Counter(row.outcome for row in members)
    accepted = [row for row in members if row.outcome is Outcome.ACCEPTED]
    return {
        "read": len(members),
        "accepted": outcomes[Outcome.ACCEPTED],
        "duplicate": outcomes[Outcome.DUPLICATE],
        "quarantined": outcomes[Outcome.QUARANTINED],
        "reasons": _sorted(Counter(str(reason) for row in members for reason in row.reasons)),
        "flags": _sorted(Counter(str(flag) for row in accepted for flag in row.flags)),
        "totals": totals_of(accepted),
    }


def _sorted(counter: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items()))


def late_truth(files: Sequence[InputFile]) -> Json:
    """Quarantined rows that are released later: by file, how many and by which file."""
    late: dict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        for row in file.rows:
            if row.released_by:
                late[file.path][row.released_by] += 1
    return {path: _sorted(released) for path, released in late.items()}


def accounts_after(files: Sequence[InputFile]) -> Accounts:
    """Balances by (user, currency) once every deposit file is applied."""
    accounts: Accounts = defaultdict(Balance)
    for row in _accepted_rows(files, Kind("deposits")):
        accounts[str(row.cells["user_id"]), row.currency].deposited_minor += row.amount_minor
    return dict(accounts)


def balances_truth(accounts: Accounts) -> Json:
    """Available, held and ledger balance by user and currency."""
    balances: dict[str, Json] = defaultdict(dict)
    for (user_id, currency), balance in sorted(accounts.items()):
        balances[user_id][currency] = {
            "available": balance.available_minor,
            "held": balance.held_minor,
            "ledger": balance.available_minor + balance.held_minor,
        }
    return dict(balances)


def authorizations_truth(requests: Sequence[Request]) -> Json:
    """Every response, and counts of each sort."""
    permitted = [request for request in requests if request.status == "PERMIT"]
    return {
        "requests": len(requests),
        "permits": len(permitted),
        "rejects": len(requests) - len(permitted),
        "reason_codes": _sorted(Counter(request.reason_code for request in requests)),
        "spends": _money(request for request in permitted if request.is_capture),
        "holds": _money(request for request in permitted if not request.is_capture),
        "answers": [_response(request) for request in requests],
    }


def _response(request: Request) -> Json:
    return {
        "transaction_id": request.transaction_id,
        "user_id": request.user_id,
        "status": request.status,
        "reason_code": request.reason_code,
        "currency": request.currency,
        "remaining": request.remaining_minor,
    }


def _money(requests: Iterable[Request]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for request in requests:
        totals[request.currency] += request.amount_minor
    return _sorted(totals)


def chargebacks_truth(files: Sequence[InputFile]) -> Json:
    """Lines and money by card company: in the batch of all files, and among released rows.

    A line is the latest of the rows of one dispute's stage; `versions` counts those rows.
    """
    batch = grouped(files, is_at_once, stage_key)
    released = grouped(files, is_released, stage_key)
    return {
        "files": _with_versions(batch),
        "released_files": _with_versions(released),
        "networks": _by_network([rows[-1] for rows in (*batch, *released)]),
    }


def disputes_truth(files: Sequence[InputFile]) -> Json:
    """Disputes by card company: how many, how many are open, and how often one was open again.

    `files`: of rows accepted at once; `networks`: with those that are released later.
    """
    return {
        "files": _disputes_by_network(files, is_at_once),
        "networks": _disputes_by_network(files, is_accepted),
    }


def _disputes_by_network(files: Sequence[InputFile], belongs: Callable[[Row], bool]) -> Json:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for rows in grouped(files, belongs, dispute_key):
        ended = [row.cells["status"] in ENDED for row in rows]
        found[rows[0].network].update(
            disputes=1,
            open=int(not ended[-1]),
            reopened=sum(was and not now for was, now in pairwise(ended)),
        )
    return {network: dict(found[network]) for network in sorted(found)}


def _with_versions(stages: Sequence[Sequence[Row]]) -> Json:
    versions = Counter(rows[-1].network for rows in stages for _ in rows)
    lines = _by_network([rows[-1] for rows in stages])
    return {
        network: {**figures, "versions": versions[network]} for network, figures in lines.items()
    }


def _by_network(rows: Sequence[Row]) -> Json:
    networks = sorted({row.network for row in rows})
    members = {network: [row for row in rows if row.network == network] for network in networks}
    return {
        network: {"rows": len(filed), "totals": totals_of(filed)}
        for network, filed in members.items()
    }


def _accepted_rows(files: Sequence[InputFile], kind: Kind) -> list[Row]:
    return [
        row
        for file in files
        if file.kind == kind and not file.refused_for
        for row in file.rows
        if is_accepted(row)
    ]


def rings_truth(rings: Sequence[Ring]) -> list[list[str]]:
    """The members of each ring, by user."""
    return sorted(sorted(member.user_id for member in ring.members) for ring in rings)
