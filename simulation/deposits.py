"""Deposit files: five that are applied, in five formats, and one that is refused whole."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Final

from cardops.rules.intake.files import Kind, RowFlag, RowReason
from simulation.bad_rows import TYPED_REASONS, VALUE_REASONS, Roles
from simulation.calendar_days import Days, instant_text, naive_text, offset_text
from simulation.chance import happens
from simulation.money_text import amount_text, draw_minor, short_amount_text
from simulation.population import User, World
from simulation.repeats import Spoiler, repeat_rows
from simulation.rows import InputFile, Row, count_of

COLUMNS: Final = ("user_id", "amount", "deposit_id", "timestamp", "currency")
_ROLES: Final = Roles(
    key="deposit_id", id="deposit_id", amount="amount", at="timestamp", text="user_id"
)
_REASONS: Final = tuple(
    reason for reason in VALUE_REASONS if reason is not RowReason.INVALID_STATUS
)
_NO_CURRENCY: Final = tuple(
    reason for reason in _REASONS if reason is not RowReason.UNKNOWN_CURRENCY
)
_HISTORY_DAYS: Final = 30
# Share of all deposits by file, in percent: CSV, NDJSON, Parquet, JSON array, CSV.gz.
_SHARES: Final = (40, 25, 20, 10, 5)
# Of all deposits, for each file.
_BAD_PER_MILLE: Final = 0.4
_DUPLICATES_PER_MILLE: Final = 1.5
_CONFLICTS_PER_MILLE: Final = 0.4
_NAIVE_PER_MILLE: Final = 10


def make_deposit_files(rng: Random, world: World, rows: int, history_end: date) -> list[InputFile]:
    """`rows` deposits that must be credited once each, with bad rows, repeats and conflicts."""
    *applied, refused = _empty_files()
    _put_good_rows(rng, world, applied, rows, history_end)
    _repeat(rng, applied, rows)
    spoiler = Spoiler(rng, _ROLES, f"dep-{world.tag}-bad")
    for file in applied:
        spoiler.spoil(file, _reasons_of(file), count_of(rows, _BAD_PER_MILLE))
    refused.rows += [row.copy(row.position) for row in applied[0].rows[:3]]
    return [*applied, refused]


def _empty_files() -> list[InputFile]:
    camel = {"user_id": "userId", "deposit_id": "depositId"}
    kind, without_amount = Kind("deposits"), ("deposit_id", "timestamp", "user_id", "currency")
    return [
        InputFile(kind, "deposits-1.csv", (*COLUMNS, "memo"), is_spreadsheet=True),
        InputFile(kind, "deposits-2.ndjson", COLUMNS, names=camel, has_number_amounts=True),
        InputFile(kind, "deposits-3.parquet", COLUMNS, is_typed=True),
        InputFile(kind, "deposits-4.json", COLUMNS),
        InputFile(kind, "deposits-5.csv.gz", ("deposit_id", "timestamp", "user_id", "amount")),
        InputFile(
            kind, "deposits-6-refused.csv", without_amount, refused_for="no required column amount"
        ),
    ]


def _reasons_of(file: InputFile) -> Sequence[RowReason]:
    if file.is_typed:
        return TYPED_REASONS
    return _REASONS if "currency" in file.columns else _NO_CURRENCY


def _put_good_rows(
    rng: Random, world: World, files: Sequence[InputFile], rows: int, history_end: date
) -> None:
    instants = Days(history_end - timedelta(days=1), _HISTORY_DAYS).draw(rng, rows)
    # Every user gets one deposit if there are enough rows; the rest are spread at random.
    extra = rng.choices(world.users, k=max(0, rows - len(world.users)))
    users = world.users[:rows] + extra
    rng.shuffle(users)
    naive = set(rng.sample(range(rows), k=count_of(rows, _NAIVE_PER_MILLE)))
    for number, (user, at) in enumerate(zip(users, instants, strict=True)):
        file = rng.choices(files, _SHARES)[0]
        is_dollar_file = file.is_typed or "currency" not in file.columns
        currency = "USD" if is_dollar_file or happens(rng, 1) else user.currency
        row = _deposit(rng, f"dep-{world.tag}-{number:07d}", user, at, currency)
        row.position = float(number)
        if number in naive and not file.is_typed:
            row.cells["timestamp"] = naive_text(at)
            row.flagged(RowFlag.NAIVE_TIMESTAMP)
        file.rows.append(row)


def _deposit(rng: Random, deposit_id: str, user: User, at: datetime, currency: str) -> Row:
    amount = draw_minor(rng, currency, 90, 0.9)
    return Row(
        cells={
            "user_id": user.user_id,
            "amount": amount_text(amount, currency),
            "deposit_id": deposit_id,
            "timestamp": offset_text(rng, at) if happens(rng, 5) else instant_text(at),
            "currency": currency,
            "memo": rng.choice(("payroll", "transfer, weekly", 'the "old" account', "")),
        },
        amount_minor=amount,
        currency=currency,
        position=0.0,
    )


def _repeat(rng: Random, files: Sequence[InputFile], rows: int) -> None:
    """Repeats within each file and of each file in the next, identical or with another amount."""
    pairs = [(file, file) for file in files] + list(pairwise(files))
    repeat_rows(rng, pairs, count_of(rows, _DUPLICATES_PER_MILLE), _same_deposit)
    repeat_rows(rng, pairs, count_of(rows, _CONFLICTS_PER_MILLE), _other_amount)


def _same_deposit(original: Row) -> Row:
    """The same content, written with fewer digits where it can be: `25` for `25.00`."""
    short = short_amount_text(original.amount_minor, original.currency)
    return original.copy(0.0, amount=short).duplicate()


def _other_amount(original: Row) -> Row:
    more = amount_text(original.amount_minor + 100, original.currency)
    return original.copy(0.0, amount=more).quarantined(RowReason.CONFLICTING_DUPLICATE)
