"""Earlier sales that nobody disputed and that show who made a disputed one: Visa's Compelling Evidence 3.0.

Belongs here: which earlier sales count, and what they must share with the disputed one. The numbers are
in `data/compelling_evidence.csv`, dated and with their source. The mart fct_ce3_candidates answers the
same for all disputes at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Final

from cardops.rules.data_tables import is_valid_on, read_table

# As in the rates: what was sold, whether or not it was refunded later.
SETTLED: Final = frozenset({"completed", "refunded"})
# What is missing, in the order in which it is looked for.
NO_TRANSACTION: Final = "transaction"
NO_CARD: Final = "card"
NO_MERCHANT: Final = "merchant_id"
NO_IP_OR_DEVICE: Final = "device_id or ip_address"
NO_SECOND_ELEMENT: Final = "second_element"
TOO_FEW_SALES: Final = "prior_transactions"
TOO_FEW_SHARED: Final = "shared_elements"


@dataclass(frozen=True, slots=True)
class Sale:
    """A transaction by its latest version. `sold_on`: its date in UTC. `is_disputed`: by whatever case."""

    transaction_id: str
    sold_on: date
    amount_minor: int
    currency: str
    status: str
    order_id: str | None = None
    user_id: str | None = None
    email: str | None = None
    ip_address: str | None = None
    device_id: str | None = None
    shipping_address: str | None = None
    merchant_id: str | None = None
    card_token: str | None = None
    card_bin: str | None = None
    card_last4: str | None = None
    is_disputed: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether money was taken."""
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class PriorSalesRule:
    """So many earlier sales of an age in days, both ends included, must share so many of the elements.

    One of those shared must be among `anchors`.
    """

    sale_count: int
    youngest_days: int
    oldest_days: int
    shared_count: int
    anchors: frozenset[str]
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PriorSales:
    """What was found. With nothing `missing`: sales, latest first, and the elements that all share."""

    sales: tuple[Sale, ...] = ()
    elements: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def qualifies(self) -> bool:
        """Whether the rule is met."""
        return not self.missing


def prior_sales_rule(
    network: str, reason_code: str | None, on: date | None = None
) -> PriorSalesRule | None:
    """The published rule for disputes of that reason that are opened on that date, if there is one."""
    for row in read_table("compelling_evidence"):
        if (row["network"], row["reason_code"]) == (network, reason_code) and is_valid_on(row, on):
            return PriorSalesRule(
                int(row["prior_transactions"]),
                int(row["youngest_days"]),
                int(row["oldest_days"]),
                int(row["matching_elements"]),
                frozenset(row["one_of_elements"].split()),
                tuple(row["elements"].split()),
            )
    return None


def find_prior_sales(
    disputed: Sale | None, disputed_on: date, sales: Sequence[Sale], rule: PriorSalesRule
) -> PriorSales:
    """The earlier sales that meet the rule; the most shared elements win, then the latest sales.

    `sales`: of the same program, in any order; those that do not count are left out here.
    """
    if disputed is None:
        return PriorSales(missing=(NO_TRANSACTION,))
    missing = _missing_facts(disputed, rule)
    if missing:
        return PriorSales(missing=missing)
    eligible = [sale for sale in sales if _counts(sale, disputed, disputed_on, rule)]
    if len(eligible) < rule.sale_count:
        return PriorSales(missing=(TOO_FEW_SALES,))
    latest = sorted(eligible, key=lambda sale: (-sale.sold_on.toordinal(), sale.transaction_id))
    shared = [(sale, shared_elements(disputed, sale, rule)) for sale in latest]
    for wanted in _element_sets(rule):
        found = [sale for sale, elements in shared if wanted <= elements]
        if len(found) >= rule.sale_count:
            return PriorSales(tuple(found[: rule.sale_count]), tuple(sorted(wanted)))
    return PriorSales(missing=(TOO_FEW_SHARED,))


def shared_elements(disputed: Sale, sale: Sale, rule: PriorSalesRule) -> frozenset[str]:
    """The core data elements that both sales have, and that are equal."""
    return frozenset(name for name in rule.elements if _is_shared(name, disputed, sale))


def is_same_card(disputed: Sale, sale: Sale) -> bool:
    """By the processor's token where both have one, else by BIN and last four digits."""
    if disputed.card_token and sale.card_token:
        return disputed.card_token == sale.card_token
    return bool(disputed.card_bin and disputed.card_last4) and (
        (disputed.card_bin, disputed.card_last4) == (sale.card_bin, sale.card_last4)
    )


def _counts(sale: Sale, disputed: Sale, disputed_on: date, rule: PriorSalesRule) -> bool:
    age = (disputed_on - sale.sold_on).days
    return (
        sale.transaction_id != disputed.transaction_id
        and sale.is_settled
        and not sale.is_disputed
        and rule.youngest_days <= age <= rule.oldest_days
        and sale.merchant_id == disputed.merchant_id
        and is_same_card(disputed, sale)
    )


def _missing_facts(disputed: Sale, rule: PriorSalesRule) -> tuple[str, ...]:
    """What the disputed sale itself lacks, so that no earlier one could help."""
    known = [name for name in rule.elements if _values(name, disputed)]
    missing = []
    if not (disputed.card_token or (disputed.card_bin and disputed.card_last4)):
        missing.append(NO_CARD)
    if disputed.merchant_id is None:
        missing.append(NO_MERCHANT)
    if rule.anchors.isdisjoint(known):
        missing.append(NO_IP_OR_DEVICE)
    elif len(known) < rule.shared_count:
        missing.append(NO_SECOND_ELEMENT)
    return tuple(missing)


def _is_shared(name: str, disputed: Sale, sale: Sale) -> bool:
    """An account is the user's id; an e-mail address stands for it only where one sale names no user."""
    if name == "user_id" and not (disputed.user_id and sale.user_id):
        emails = _plain(disputed.email), _plain(sale.email)
        return emails[0] is not None and emails[0] == emails[1]
    values = _plain(getattr(disputed, name)), _plain(getattr(sale, name))
    return values[0] is not None and values[0] == values[1]


def _values(name: str, sale: Sale) -> list[str]:
    names = ("user_id", "email") if name == "user_id" else (name,)
    return [value for name in names if (value := _plain(getattr(sale, name))) is not None]


def _plain(value: str | None) -> str | None:
    return (value or "").strip().lower() or None


def _element_sets(rule: PriorSalesRule) -> list[frozenset[str]]:
    """Sets of elements that suffice, the largest first."""
    found = [
        frozenset(names)
        for count in range(len(rule.elements), rule.shared_count - 1, -1)
        for names in combinations(sorted(rule.elements), count)
    ]
    return [names for names in found if not names.isdisjoint(rule.anchors)]
