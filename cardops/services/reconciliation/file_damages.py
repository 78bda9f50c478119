"""Damages planted in copies of lake and raw files, and taken back.

Belongs here: which file of the specimen changes, and how. Damages of the store are SQL.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from cardops.ports import Lake, ObjectStore

# No program of anybody has this name.
PROGRAM: Final = "cardops-prove"
_IS_SPECIMEN: Final = pl.col("program") == PROGRAM
Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class FileCopies:
    """Copies of the lake and of the specimen's raw files, which damages may change."""

    lake: Lake
    raw_store: ObjectStore
    business_date: date

    @contextmanager
    def planted(self, kind: str) -> Iterator[None]:
        """The files with this damage, if it is one of them; as before at the end."""
        if kind in LAKE_DAMAGES:
            table, change = LAKE_DAMAGES[kind]
            with self._changed_in_lake(table, change, self.business_date):
                yield
        elif kind == "carried_balance_changed":
            with self._changed_in_lake("balances", _RAISED, self._eve):
                yield
        elif kind == "carried_balances_lost":
            with self._lost_from_lake("balances", self._eve):
                yield
        elif kind == "log_file_lost":
            with self._lost_from_lake("transaction_log", self.business_date):
                yield
        elif kind in RAW_DAMAGES:
            with self._changed_raw_file(RAW_DAMAGES[kind]):
                yield
        else:
            yield

    @contextmanager
    def _changed_in_lake(self, table: str, change: Change, day: date) -> Iterator[None]:
        folder = self.lake.local_path(table) / f"business_date={day}"
        with TemporaryDirectory() as saved:
            changed: list[str] = []
            for file in sorted(folder.glob("*.parquet")):
                rows = pl.read_parquet(file)
                damaged = change(rows)
                if not damaged.equals(rows):
                    (Path(saved) / file.name).write_bytes(file.read_bytes())
                    self.lake.write(table, day, file.stem, damaged)
                    changed.append(file.stem)
            try:
                yield
            finally:
                for name in changed:
                    original = Path(saved) / f"{name}.parquet"
                    self.lake.write_file(table, day, name, original)

    @contextmanager
    def _lost_from_lake(self, table: str, day: date) -> Iterator[None]:
        (file,) = (self.lake.local_path(table) / f"business_date={day}").glob("*.parquet")
        hidden = file.with_suffix(".hidden")
        file.rename(hidden)
        try:
            yield
        finally:
            hidden.rename(file)

    @property
    def _eve(self) -> date:
        """The date before, whose closing balances are carried forward."""
        return self.business_date - timedelta(days=1)

    @contextmanager
    def _changed_raw_file(self, change: Callable[[bytes], bytes]) -> Iterator[None]:
        """Change the specimen's first file, which is a CSV."""
        (stat, *_) = self.raw_store.list_objects(f"incoming/deposits/{PROGRAM}/")
        original = self.raw_store.get(stat.key)
        self.raw_store.replace(stat.key, change(original))
        try:
            yield
        finally:
            self.raw_store.replace(stat.key, original)


def _doubled(amount: str, user_id: str) -> Change:
    is_it = _IS_SPECIMEN & (pl.col("user_id") == user_id)
    factor = pl.when(is_it).then(2).otherwise(1)
    return lambda rows: rows.with_columns(
        (pl.col(amount) * factor).cast(rows.schema[amount]).alias(amount)
    )


def _without(condition: pl.Expr) -> Change:
    return lambda rows: rows.filter(~(_IS_SPECIMEN & condition).fill_null(value=False))


def _twice(condition: pl.Expr) -> Change:
    return lambda rows: pl.concat([rows, rows.filter(_IS_SPECIMEN & condition)])


def _set(condition: pl.Expr, **columns: pl.Expr) -> Change:
    is_it = _IS_SPECIMEN & condition
    return lambda rows: rows.with_columns(
        pl.when(is_it).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in columns.items()
    )


def _split_in_two(rows: pl.DataFrame) -> pl.DataFrame:
    """One row of the amount less one unit, and one of that unit."""
    is_it = _IS_SPECIMEN & (pl.col("deposit_id") == "d-cas")
    amount = pl.col("amount_minor")
    row = rows.filter(is_it)
    parts = [row.with_columns(amount - 1), row.with_columns(amount - amount + 1)]
    return pl.concat([rows.filter(~is_it), *parts])


_RAISED: Final[Change] = lambda rows: rows.with_columns(pl.col("ledger_minor") + 1)  # noqa: E731
_HAS_POSTED: Final = pl.col("event_key") == "t-spent"
_DAY_BEFORE: Final = pl.col("occurred_at") - timedelta(days=1)

# Kind -> the table of the lake and what becomes of its rows.
LAKE_DAMAGES: Final[Mapping[str, tuple[str, Change]]] = {
    "deposit_forged_everywhere": ("deposits", _doubled("amount_minor", "cas")),
    "row_not_credited": ("deposits", _without(pl.col("user_id") == "cas")),
    "lake_file_lost": ("deposits", _without(pl.col("user_id") == "dan")),
    "lake_row_split": ("deposits", _split_in_two),
    "closing_balance_changed": ("balances", _doubled("ledger_minor", "ben")),
    "logged_amount_changed": ("transaction_log", _doubled("posted_minor", "ana")),
    "logged_hold_changed": ("transaction_log", _doubled("held_change_minor", "ana")),
    "log_row_lost": ("transaction_log", _without(_HAS_POSTED)),
    "log_row_doubled": ("transaction_log", _twice(_HAS_POSTED)),
    "log_row_on_another_account": ("transaction_log", _set(_HAS_POSTED, user_id=pl.lit("ben"))),
    "log_row_on_another_day": ("transaction_log", _set(_HAS_POSTED, occurred_at=_DAY_BEFORE)),
    "log_row_in_another_currency": ("transaction_log", _set(_HAS_POSTED, currency=pl.lit("GBP"))),
}
RAW_DAMAGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "raw_file_changed": lambda content: content + b"\n",
    "raw_row_added": lambda content: (
        content.rstrip() + b"\nfay,10.00,d-fay,2026-03-01T00:00:00Z,USD\n"
    ),
}
