"""Order files: the e-commerce shape, canonical NDJSON with versions, and late orders."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Final

from cardops.rules.intake.files import Kind, RowFlag, RowReason
from simulation.bad_rows import VALUE_REASONS, Roles
from simulation.calendar_days import instant_text
from simulation.money_text import amount_text
from simulation.population import World
from simulation.purchases import Placement, Purchase
from simulation.repeats import Spoiler, repeat_rows
from simulation.rows import Cell, InputFile, Number, Row, count_of

_ROLES: Final = Roles(
    key="order_id", id="order_id", amount="amount", at="created_at", text="shipping_country"
)
_E_COMMERCE_ROLES: Final = Roles(
    key="order_id", id="order_id", amount="amount", at="created_at", text="user_id"
)
_PLACEMENTS: Final = {
    Placement.FIRST: 0,
    Placement.SECOND: 1,
    Placement.THIRD: 1,
    Placement.LATE_ORDER: 2,
    Placement.LATE_TRANSACTION: 0,
}
_STATUSES: Final = {
    "completed": "paid",
    "refunded": "refunded",
    "failed": "failed",
    "pending": "pending",
}
_BAD_PER_MILLE: Final = 0.3
_REPEATS_PER_MILLE: Final = 1.0
_CONFLICTS_PER_MILLE: Final = 0.4
_VERSIONS_PER_MILLE: Final = 20
_FLAGGED_PER_MILLE: Final = 4


def make_order_files(
    rng: Random, world: World, purchases: Sequence[Purchase], rows: int
) -> list[InputFile]:
    """One order per purchase; pending orders that were paid later have two versions."""
    files = _empty_files()
    for number, purchase in enumerate(purchases):
        file = files[_PLACEMENTS[purchase.placement]]
        file.rows.append(_order(rng, purchase, float(number)))
    first, second, _late = files
    _add_versions(rng, second, count_of(rows, _VERSIONS_PER_MILLE))
    _add_flags(rng, files, count_of(rows, _FLAGGED_PER_MILLE))
    pairs = [(first, first), (second, second)]
    repeat_rows(rng, pairs, count_of(rows, _REPEATS_PER_MILLE), _same_order)
    other = world.users[0].user_id
    repeat_rows(rng, pairs, count_of(rows, _CONFLICTS_PER_MILLE), lambda row: _other(row, other))
    spoiler = Spoiler(rng, _E_COMMERCE_ROLES, f"ord-{world.tag}-bad1")
    spoiler.spoil(first, VALUE_REASONS, count_of(rows, _BAD_PER_MILLE))
    spoiler = Spoiler(rng, _ROLES, f"ord-{world.tag}-bad2")
    spoiler.spoil(second, VALUE_REASONS, count_of(rows, _BAD_PER_MILLE))
    return files


def _empty_files() -> list[InputFile]:
    e_commerce = {
        "user_id": "customer_id",
        "created_at": "timestamp",
        "amount": "total_amount",
        "status": "payment_status",
    }
    shop = ("order_id", "user_id", "created_at", "amount", "currency", "items", "status")
    whole = (*shop, "merchant_id", "shipping_country", "updated_at")
    flat = tuple(column for column in whole if column != "items")
    return [
        InputFile(Kind("orders"), "orders-1.json", shop, names=e_commerce, has_number_amounts=True),
        InputFile(Kind("orders"), "orders-2.ndjson.gz", whole),
        InputFile(Kind("orders"), "orders-3-late.csv", flat),
    ]


def _order(rng: Random, purchase: Purchase, position: float) -> Row:
    at = purchase.created_at
    cells: dict[str, Cell] = {
        "order_id": purchase.order_id,
        "user_id": purchase.user.user_id,
        "amount": amount_text(purchase.amount_minor, purchase.currency),
        "currency": purchase.currency,
        "status": _STATUSES[purchase.paid_by.status],
        "created_at": instant_text(at),
        "merchant_id": purchase.merchant.merchant_id,
        "shipping_country": purchase.user.country,
        "updated_at": instant_text(purchase.paid_by.created_at + timedelta(seconds=5)),
        "items": _items(rng, purchase),
    }
    return Row(cells, purchase.amount_minor, purchase.currency, position)


def _items(rng: Random, purchase: Purchase) -> list[dict[str, Cell]]:
    """One to three lines whose sum is the amount."""
    lines: list[dict[str, Cell]] = []
    left = purchase.amount_minor
    for _ in range(rng.randint(0, 2)):
        quantity = rng.randint(1, 3)
        price = rng.randint(1, max(1, left // 4))
        if price * quantity >= left:
            break
        lines.append(_item(rng, quantity, price, purchase.currency))
        left -= price * quantity
    lines.append(_item(rng, 1, left, purchase.currency))
    return lines


def _item(rng: Random, quantity: int, price_minor: int, currency: str) -> dict[str, Cell]:
    price = Number(amount_text(price_minor, currency))
    return {
        "product_id": f"sku-{rng.randrange(5000):04d}",
        "quantity": quantity,
        "unit_price": price,
    }


def _add_versions(rng: Random, second: InputFile, count: int) -> None:
    """Add earlier, pending versions of orders to the second file."""
    ended = [row for row in second.plain_rows() if row.cells["status"] != "pending"]
    for row in rng.sample(ended, k=min(count, len(ended) // 4)):
        row.is_plain = False
        before = row.copy(
            rng.uniform(0, row.position), status="pending", updated_at=row.cells["created_at"]
        )
        before.is_plain = False
        second.rows.append(before)


def _add_flags(rng: Random, files: Sequence[InputFile], count: int) -> None:
    """Items that do not add up, and instants without an offset."""
    for file in files:
        plain = file.plain_rows()
        picked = rng.sample(plain, k=min(2 * count, len(plain) // 4))
        for number, row in enumerate(picked):
            if number % 2 and "items" in file.columns:
                row.cells["items"] = [_item(rng, 1, row.amount_minor + 50, row.currency)]
                row.flagged(RowFlag.ITEMS_DO_NOT_ADD_UP)
            else:
                at = str(row.cells["created_at"])
                row.cells["created_at"] = at.removesuffix("Z")
                row.flagged(RowFlag.NAIVE_TIMESTAMP)


def _same_order(original: Row) -> Row:
    return original.copy(0.0).duplicate()


def _other(original: Row, user_id: str) -> Row:
    other = user_id if original.cells["user_id"] != user_id else f"{user_id}-other"
    return original.copy(0.0, user_id=other).quarantined(RowReason.CONFLICTING_DUPLICATE)
