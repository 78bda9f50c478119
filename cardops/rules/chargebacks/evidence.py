"""The evidence of a dispute: what its network asks for, what is there, and what is missing.

Belongs here: one dispute. The data are `evidence_groups.csv` (reason code or category -> group),
`evidence_manifest.csv` (group, network, stage -> items, dated, each with its source) and
`evidence_items.csv` (what an item is, and who fills it: the lake or a person).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

from cardops.rules.chargebacks.compelling_evidence import (
    PriorSales,
    PriorSalesRule,
    Sale,
    find_prior_sales,
    prior_sales_rule,
)
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.data_tables import is_valid_on, read_table
from cardops.rules.money import format_amount

# Of a reason that no table knows.
GENERAL: Final = "general"
PRIOR_SALES: Final = "prior_undisputed_transactions"


class Need(StrEnum):
    """How an item is needed; of those that are `one_of`, one suffices."""

    REQUIRED = "required"
    ONE_OF = "one_of"
    HELPFUL = "helpful"


class FilledBy(StrEnum):
    """Who fills an item; a person may add a file to any."""

    LAKE = "lake"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One thing that a manifest asks for, and the published source that says so."""

    name: str
    description: str
    filled_by: FilledBy
    need: Need
    source: str


@dataclass(frozen=True, slots=True)
class EvidenceManifest:
    """What a dispute of that reason group needs at its stage: required items first, then the rest."""

    reason_group: str
    items: tuple[EvidenceItem, ...]


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that a person added for an item; `sha256` of its bytes is also where it is stored."""

    item: str
    sha256: str
    file_name: str
    media_type: str
    size_bytes: int
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """What the lake knows of a dispute. `sales`: others of the same card, whatever their age."""

    disputed_on: date
    sale: Sale | None = None
    authorization_code: str | None = None
    sales: Sequence[Sale] = ()


@dataclass(frozen=True, slots=True)
class FilledItem:
    """An item with what is there for it; `value` is what the lake says."""

    item: EvidenceItem
    value: str | None = None
    files: tuple[EvidenceFile, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether the lake or a person filled it."""
        return self.value is not None or bool(self.files)


@dataclass(frozen=True, slots=True)
class FilledManifest:
    """The manifest of a dispute with what is there; `prior_sales` None: no rule counts them."""

    reason_group: str
    items: tuple[FilledItem, ...]
    prior_sales: PriorSales | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Required items that are not there, and all that are `one_of` where none of them is."""
        required = [
            filled.item.name
            for filled in self.items
            if filled.item.need is Need.REQUIRED and not filled.is_there
        ]
        choice = [filled for filled in self.items if filled.item.need is Need.ONE_OF]
        has_none = bool(choice) and not any(filled.is_there for filled in choice)
        return (*required, *(filled.item.name for filled in choice if has_none))

    @property
    def is_complete(self) -> bool:
        """Whether it can be sent as it is."""
        return not self.missing

    @property
    def files(self) -> tuple[EvidenceFile, ...]:
        """All files, in the order of their items."""
        return tuple(file for filled in self.items for file in filled.files)


@cache
def item_names() -> Mapping[str, Mapping[str, str]]:
    """Name of every item that a manifest may ask for -> its row."""
    return MappingProxyType({row["item"]: row for row in read_table("evidence_items")})


def reason_group(network: str, reason_code: str | None, on: date | None = None) -> str:
    """What kind of claim the reason is: by its code, else by its category, else `general`."""
    reason = find_reason(network, reason_code)
    if reason is None:
        return GENERAL
    wanted = [(network, reason.code, ""), ("", "", reason.category)]
    found = (row for key in wanted for row in _groups().get(key, ()) if is_valid_on(row, on))
    return next((row["reason_group"] for row in found), GENERAL)


def manifest_of(
    network: str, reason_code: str | None, stage: str, on: date | None = None
) -> EvidenceManifest:
    """What is needed for a dispute opened on that date.

    The most specific row of an item wins: one of the group, else of the network, else of the stage.
    """
    group = reason_group(network, reason_code, on)
    chosen: dict[str, tuple[int, Mapping[str, str]]] = {}
    # From what says least to what says most: the group outweighs the others.
    facts = (("stage", stage), ("network", network), ("reason_group", group))
    for row in _rows_of(group):
        if not is_valid_on(row, on) or any(row[name] not in {"", value} for name, value in facts):
            continue
        weight = sum(1 << place for place, (name, _) in enumerate(facts) if row[name])
        if row["item"] not in chosen or weight > chosen[row["item"]][0]:
            chosen[row["item"]] = (weight, row)
    items = [_item(row) for _, row in chosen.values()]
    order = list(Need)
    return EvidenceManifest(group, tuple(sorted(items, key=lambda item: order.index(item.need))))


def fill_manifest(
    manifest: EvidenceManifest,
    network: str,
    reason_code: str | None,
    facts: DisputeFacts,
    files: Sequence[EvidenceFile],
) -> FilledManifest:
    """The manifest with what the lake says and what people added.

    Files for items that it does not ask for come last, as helpful ones: a stage may have asked for them.
    """
    reason = find_reason(network, reason_code)
    rule = prior_sales_rule(network, reason.code if reason else None, facts.disputed_on)
    prior = _prior_sales(facts, rule) if rule else None
    values = {**_sale_values(facts), PRIOR_SALES: _told(prior)}
    asked = {item.name for item in manifest.items}
    others = sorted({file.item for file in files} - asked)
    items = [*manifest.items, *(_unasked(name) for name in others)]
    filled = tuple(
        FilledItem(
            item,
            values.get(item.name) if item.filled_by is FilledBy.LAKE else None,
            tuple(file for file in files if file.item == item.name),
        )
        for item in items
    )
    return FilledManifest(manifest.reason_group, filled, prior)


@cache
def _groups() -> Mapping[tuple[str, str, str], Sequence[Mapping[str, str]]]:
    """Rows of groups by network and reason code, or by category."""
    found: dict[tuple[str, str, str], list[Mapping[str, str]]] = {}
    for row in read_table("evidence_groups"):
        key = row["network"], row["reason_code"], row["reason_category"]
        found.setdefault(key, []).append(row)
    return MappingProxyType(found)


@cache
def _rows_of(group: str) -> tuple[Mapping[str, str], ...]:
    """The manifest's rows that may say something about disputes of the group."""
    rows = read_table("evidence_manifest")
    return tuple(row for row in rows if row["reason_group"] in {"", group})


def _prior_sales(facts: DisputeFacts, rule: PriorSalesRule) -> PriorSales:
    return find_prior_sales(facts.sale, facts.disputed_on, facts.sales, rule)


def _told(prior: PriorSales | None) -> str | None:
    """The earlier sales in words, where they meet the rule."""
    if prior is None or not prior.qualifies:
        return None
    sales = ", ".join(f"{sale.transaction_id} on {sale.sold_on}" for sale in prior.sales)
    return f"{sales}; same {', '.join(prior.elements)}"


def _sale_values(facts: DisputeFacts) -> dict[str, str | None]:
    """What the transaction says, by item."""
    sale = facts.sale
    found: dict[str, str | None] = {"authorization_code": facts.authorization_code}
    if sale is None:
        return found
    card = f", card {sale.card_bin or ''}…{sale.card_last4}" if sale.card_last4 else ""
    amount = f"{format_amount(sale.amount_minor, sale.currency)} {sale.currency}"
    refund = f"{sale.transaction_id} was refunded" if sale.status == "refunded" else None
    return {
        **found,
        "transaction_details": (
            f"{sale.transaction_id}: {amount} on {sale.sold_on}, {sale.status}{card}"
        ),
        "order_reference": sale.order_id or None,
        "refund_record": refund,
        **{name: getattr(sale, name) or None for name in _TAKEN_OVER},
    }


_TAKEN_OVER: Final = ("user_id", "email", "ip_address", "device_id")


def _item(row: Mapping[str, str]) -> EvidenceItem:
    told = item_names()[row["item"]]
    return EvidenceItem(
        row["item"],
        told["description"],
        FilledBy(told["filled_by"]),
        Need(row["need"]),
        row["source"],
    )


def _unasked(name: str) -> EvidenceItem:
    told = item_names()[name]
    filled_by = FilledBy(told["filled_by"])
    return EvidenceItem(name, told["description"], filled_by, Need.HELPFUL, "added by a person")
