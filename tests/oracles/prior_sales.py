"""Compelling Evidence 3.0 said again, plainly and slowly: every choice of sales and elements is tried."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations

from cardops.rules.chargebacks.compelling_evidence import Sale

ELEMENTS = ("device_id", "ip_address", "shipping_address", "user_id")


def qualifying_elements(disputed: Sale, disputed_on: date, sales: Sequence[Sale]) -> set[str]:
    """The largest set of elements that two earlier sales share with the disputed one; empty: none does.

    Of equally large ones the first by alphabet.
    """
    usable = [
        sale
        for sale in sales
        if sale.transaction_id != disputed.transaction_id
        and sale.status in {"completed", "refunded"}
        and not sale.is_disputed
        and disputed_on - timedelta(days=365) <= sale.sold_on
        and sale.sold_on <= disputed_on - timedelta(days=120)
        and disputed.merchant_id is not None
        and sale.merchant_id == disputed.merchant_id
        and has_same_card(disputed, sale)
    ]
    best = [
        names
        for first, second in combinations(usable, 2)
        for size in range(2, len(ELEMENTS) + 1)
        for names in combinations(ELEMENTS, size)
        if {"device_id", "ip_address"} & set(names)
        and all(agrees(name, disputed, sale) for name in names for sale in (first, second))
    ]
    return set(min(best, key=lambda names: (-len(names), names))) if best else set()


def has_same_card(one: Sale, other: Sale) -> bool:
    if one.card_token and other.card_token:
        return one.card_token == other.card_token
    numbers = [(sale.card_bin, sale.card_last4) for sale in (one, other)]
    return None not in numbers[0] and numbers[0] == numbers[1]


def agrees(name: str, one: Sale, other: Sale) -> bool:
    values = [getattr(sale, name) for sale in (one, other)]
    if name == "user_id" and not all(values):
        values = [one.email, other.email]
    first, second = ((value or "").strip().lower() for value in values)
    return bool(first) and first == second
