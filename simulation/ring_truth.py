"""What must be found of the planted rings: members, their disputes, cycles, and the address that links nobody.

Belongs here: adding up from the rows of a day, ring by ring, as one would by hand: each user and each
chargeback is looked at, and each cycle is found where its last edge is drawn.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cardops.rules.intake.files import Kind
from simulation.dispute_rows import dispute_key, grouped, is_accepted
from simulation.population import LINKS, Ring
from simulation.rows import InputFile, Row

Json = dict[str, Any]

Identifier = tuple[str, str]


@dataclass(slots=True)
class _Seen:
    """Who bought what, and which identifiers were seen."""

    users: dict[str, str] = field(default_factory=dict)
    of_transactions: dict[str, set[Identifier]] = field(default_factory=lambda: defaultdict(set))
    of_users: dict[str, set[Identifier]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True, slots=True)
class _Chargeback:
    owner: str
    transaction_id: str
    currency: str
    amount_minor: int
    number: int


def ring_figures_truth(files: Sequence[InputFile], rings: Sequence[Ring]) -> Json:
    """Each ring by its members, and how many users show each shared identifier that is no ring's."""
    seen = _seen(files)
    chargebacks = list(_chargebacks(files, seen))
    members = [sorted(member.user_id for member in ring.members) for ring in rings]
    return {
        "rings": {" ".join(users): _figures(users, seen, chargebacks) for users in sorted(members)},
        "hubs": _hubs(seen, [set(users) for users in members]),
    }


def _seen(files: Sequence[InputFile]) -> _Seen:
    """A transaction that names no user has its order's."""
    orders = {
        str(row.cells["order_id"]): str(row.cells["user_id"])
        for _, row in _accepted(files, Kind("orders"))
    }
    seen = _Seen()
    for file, row in _accepted(files, Kind("transactions")):
        named = str(row.cells["user_id"]) if "user_id" in file.columns else ""
        user = named or orders.get(str(row.cells["order_id"]), "")
        if not user:
            continue
        transaction_id = str(row.cells["transaction_id"])
        seen.users[transaction_id] = user
        shown = {(link, str(row.cells[link])) for link in LINKS if link in file.columns}
        seen.of_transactions[transaction_id] |= shown
        seen.of_users[user] |= shown
    return seen


def _accepted(files: Sequence[InputFile], kind: Kind) -> Iterator[tuple[InputFile, Row]]:
    for file in files:
        if file.kind == kind and not file.refused_for:
            yield from ((file, row) for row in file.rows if is_accepted(row))


def _chargebacks(files: Sequence[InputFile], seen: _Seen) -> Iterator[_Chargeback]:
    """Disputes of known transactions that came to the chargeback stage, by their last row."""
    for number, rows in enumerate(grouped(files, is_accepted, dispute_key)):
        last = rows[-1]
        transaction_id = str(last.cells["transaction_id"])
        is_inquiry = all(row.cells["stage"] == "inquiry" for row in rows)
        if transaction_id in seen.users and not is_inquiry:
            owner = seen.users[transaction_id]
            yield _Chargeback(owner, transaction_id, last.currency, last.amount_minor, number)


def _figures(users: Sequence[str], seen: _Seen, chargebacks: Sequence[_Chargeback]) -> Json:
    own = [chargeback for chargeback in chargebacks if chargeback.owner in users]
    disputed: dict[str, int] = defaultdict(int)
    for chargeback in own:
        disputed[chargeback.currency] += chargeback.amount_minor
    touches = [
        (user, chargeback.number)
        for chargeback in own
        for user in users
        if user == chargeback.owner
        or seen.of_users[user] & seen.of_transactions[chargeback.transaction_id]
    ]
    return {
        "transactions": sum(owner in users for owner in seen.users.values()),
        "disputes": len(own),
        "cycles": _cycles(touches),
        "disputed": dict(sorted(disputed.items())),
    }


def _cycles(touches: Sequence[tuple[str, int]]) -> int:
    """Draw edge after edge: one between two nodes that are connected already closes a cycle."""
    parts: dict[object, set[object]] = {}
    closed = 0
    for user, chargeback in touches:
        ends = [parts.setdefault(node, {node}) for node in (user, chargeback)]
        if ends[0] is ends[1]:
            closed += 1
            continue
        together = ends[0] | ends[1]
        parts.update(dict.fromkeys(together, together))
    return closed


def _hubs(seen: _Seen, rings: Sequence[set[str]]) -> Json:
    """Kind -> the users of each identifier that several show who are in no ring together."""
    holders: Mapping[Identifier, set[str]] = defaultdict(set)
    for user, shown in seen.of_users.items():
        for identifier in shown:
            holders[identifier].add(user)
    hubs: dict[str, list[int]] = defaultdict(list)
    for (link, _), users in holders.items():
        if len(users) > 1 and not any(users <= ring for ring in rings):
            hubs[link.removesuffix("_id")].append(len(users))
    return {link: sorted(counts) for link, counts in sorted(hubs.items())}
