"""Transaction files: CSV with cards, the nested e-commerce shape, Parquet, and a late one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from cardops.rules.intake.files import Kind, RowFlag, RowReason
from simulation.bad_rows import VALUE_REASONS, Roles
from simulation.calendar_days import instant_text
from simulation.cards import masked
from simulation.chance import happens
from simulation.money_text import amount_text, draw_minor
from simulation.population import World
from simulation.purchases import Attempt, Placement, Purchase
from simulation.repeats import Spoiler, repeat_rows
from simulation.rows import Cell, InputFile, Row, count_of
from simulation.spellings import spelled_method, spelled_provider

_ROLES: Final = Roles(
    key="transaction_id", id="transaction_id", amount="amount", at="created_at", text="error_code"
)
_PLACEMENTS: Final = {
    Placement.FIRST: 0,
    Placement.SECOND: 1,
    Placement.THIRD: 2,
    Placement.LATE_ORDER: 0,
    Placement.LATE_TRANSACTION: 3,
}
_PROVIDERS: Final = {
    "credit_card": ("stripe", "adyen", "worldpay"),
    "debit_card": ("stripe", "adyen"),
    "digital_wallet": ("apple_pay", "google_pay"),
    "prepaid_card": ("marqeta",),
    "bank_transfer": ("ach", "sepa"),
}
_BAD_PER_MILLE: Final = 0.3
_REPEATS_PER_MILLE: Final = 1.0
_CONFLICTS_PER_MILLE: Final = 0.4
_VERSIONS_PER_MILLE: Final = 20
_FLAGGED_PER_MILLE: Final = 4
_ORPHANS_PER_MILLE: Final = 1
_FOREIGN_PER_MILLE: Final = 0.4


@dataclass(frozen=True, slots=True)
class TransactionFiles:
    """The files in the order in which they are written; `late` comes after the chargebacks."""

    cards: InputFile
    shop: InputFile
    archive: InputFile
    late: InputFile

    def all(self) -> list[InputFile]:
        """All four."""
        return [self.cards, self.shop, self.archive, self.late]


def make_transaction_files(
    rng: Random, world: World, purchases: Sequence[Purchase], rows: int
) -> TransactionFiles:
    """Each attempt to pay is a transaction."""
    files = _empty_files()
    for number, purchase in enumerate(purchases):
        for attempt in purchase.attempts:
            files.all()[_PLACEMENTS[purchase.placement]].rows.append(
                _transaction(rng, purchase, attempt, float(number))
            )
    _add_versions(rng, files, count_of(rows, _VERSIONS_PER_MILLE))
    _add_orphans(rng, world, files, count_of(rows, _ORPHANS_PER_MILLE))
    _add_naive(rng, files, count_of(rows, _FLAGGED_PER_MILLE))
    _add_foreign(rng, files.cards, count_of(rows, _FOREIGN_PER_MILLE))
    pairs = [(file, file) for file in (files.cards, files.shop, files.archive)]
    repeat_rows(rng, pairs, count_of(rows, _REPEATS_PER_MILLE), _same_transaction)
    repeat_rows(rng, pairs, count_of(rows, _CONFLICTS_PER_MILLE), _other_amount)
    for number, file in enumerate((files.cards, files.shop, files.archive)):
        spoiler = Spoiler(rng, _ROLES, f"txn-{world.tag}-bad{number}")
        spoiler.spoil(file, VALUE_REASONS, count_of(rows, _BAD_PER_MILLE))
    return files


def _empty_files() -> TransactionFiles:
    shop = ("transaction_id", "order_id", "created_at", "amount", "currency", "status")
    nested = (*shop, "payment_method", "error_code")
    paid = ("payment_method", "provider", "error_code", "user_id", "merchant_id", "updated_at")
    card = ("card_network", "card_number")
    seen = ("device_id", "ip_address", "email", "card_token")
    names = {"created_at": "timestamp"}
    kind = Kind("transactions")
    return TransactionFiles(
        cards=InputFile(kind, "transactions-1.csv", (*shop, *paid, *card, *seen)),
        shop=InputFile(
            kind, "transactions-2.ndjson", nested, names=names, has_number_amounts=True, nests=True
        ),
        archive=InputFile(kind, "transactions-3.parquet", (*shop, *paid, *card, *seen)),
        late=InputFile(kind, "transactions-4-late.csv.gz", (*shop, *paid, *card, *seen)),
    )


def _transaction(rng: Random, purchase: Purchase, attempt: Attempt, position: float) -> Row:
    user, is_late = purchase.user, purchase.placement is Placement.LATE_ORDER
    number = user.card_number if happens(rng, 20) else masked(user.card_number)
    cells: dict[str, Cell] = {
        "transaction_id": attempt.transaction_id,
        "order_id": purchase.order_id,
        "user_id": "" if is_late else user.user_id,
        "amount": amount_text(purchase.amount_minor, purchase.currency),
        "currency": purchase.currency,
        "payment_method": spelled_method(purchase.method, attempt.transaction_id),
        "provider": spelled_provider(_provider(rng, purchase), attempt.transaction_id),
        "status": attempt.status,
        "error_code": attempt.error_code or "",
        "created_at": instant_text(attempt.created_at),
        "updated_at": instant_text(attempt.created_at + timedelta(seconds=2)),
        "merchant_id": purchase.merchant.merchant_id,
        "card_network": purchase.network or "",
        "card_number": number if purchase.network else "",
        **purchase.links,
    }
    row = Row(cells, purchase.amount_minor, purchase.currency, position)
    if is_late:
        row.flagged(RowFlag.ORDER_UNKNOWN)
    return row


def _provider(rng: Random, purchase: Purchase) -> str:
    """In the e-commerce shape the provider names the card network: there is no other column."""
    if purchase.placement is Placement.SECOND and purchase.network:
        return purchase.network
    return rng.choice(_PROVIDERS[purchase.method])


def _add_versions(rng: Random, files: TransactionFiles, count: int) -> None:
    """Add earlier, pending versions of the third file's transactions to the first file."""
    ended = [row for row in files.archive.plain_rows() if row.cells["status"] != "pending"]
    end = files.cards.end
    for row in rng.sample(ended, k=min(count, len(ended) // 4)):
        row.is_plain = False
        before = row.copy(
            rng.uniform(0, end),
            status="pending",
            error_code="",
            updated_at=row.cells["created_at"],
        )
        before.is_plain = False
        files.cards.rows.append(before)


def _add_orphans(rng: Random, world: World, files: TransactionFiles, count: int) -> None:
    """Transactions whose orders never arrive, with a user and without one."""
    end = files.cards.end
    plain = rng.sample(files.cards.plain_rows(), k=min(2 * count, len(files.cards.rows) // 4))
    for number, original in enumerate(plain):
        row = original.copy(
            rng.uniform(0, end),
            transaction_id=f"txn-{world.tag}-lost-{number:05d}",
            order_id=f"ord-{world.tag}-lost-{number:05d}",
        )
        if number % 2:
            row.cells["user_id"] = ""
        row.flagged(RowFlag.ORDER_UNKNOWN)
        files.cards.rows.append(row)


def _add_naive(rng: Random, files: TransactionFiles, count: int) -> None:
    for file in (files.cards, files.shop, files.archive):
        plain = file.plain_rows()
        for row in rng.sample(plain, k=min(count, len(plain) // 4)):
            row.cells["created_at"] = str(row.cells["created_at"]).removesuffix("Z")
            row.flagged(RowFlag.NAIVE_TIMESTAMP)


def _add_foreign(rng: Random, file: InputFile, count: int) -> None:
    """Paid in another currency than the order's: flagged, not refused. Never disputed here."""
    plain = [row for row in file.plain_rows() if row.cells["status"] == "failed"]
    for row in rng.sample(plain, k=min(count, len(plain))):
        row.currency = "EUR" if row.currency != "EUR" else "USD"
        row.amount_minor = draw_minor(rng, row.currency, 45, 1.0)
        amount = amount_text(row.amount_minor, row.currency)
        row.cells |= {"currency": row.currency, "amount": amount}
        row.flagged(RowFlag.CURRENCY_DIFFERS)


def _same_transaction(original: Row) -> Row:
    return original.copy(0.0).duplicate()


def _other_amount(original: Row) -> Row:
    more = amount_text(original.amount_minor + 100, original.currency)
    return original.copy(0.0, amount=more).quarantined(RowReason.CONFLICTING_DUPLICATE)
