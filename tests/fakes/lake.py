"""A lake in memory; `local_path` writes it to disk for readers of files, until the process ends."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
from typing_extensions import override

from cardops.contracts.lake.tables import columns_of
from cardops.ports import Lake


@dataclass
class FakeLake(Lake):
    """`frames[table, business_date, name]` is what one file holds."""

    frames: dict[tuple[str, date, str], pl.DataFrame] = field(default_factory=dict)

    @override
    def write(self, table: str, business_date: date, name: str, frame: pl.DataFrame) -> str:
        self.frames[table, business_date, name] = frame
        return f"memory://lake/{_path(table, business_date, name)}"

    @override
    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        return self.write(table, business_date, name, pl.read_parquet(parquet))

    @override
    def replace_rows(
        self, table: str, business_date: date, name: str, intake_id: int, parquet: Path
    ) -> str:
        own, stored = pl.read_parquet(parquet), self.frames.get((table, business_date, name))
        if stored is None:
            return self.write(table, business_date, name, own)
        others = stored.filter(pl.col("intake_id") != intake_id)
        return self.write(table, business_date, name, pl.concat([own, others]))

    @override
    def delete(self, table: str, business_date: date, name: str) -> None:
        self.frames.pop((table, business_date, name), None)

    @override
    def names(self, table: str, business_date: date) -> Sequence[str]:
        return [name for kept, day, name in self.frames if (kept, day) == (table, business_date)]

    @override
    def scan(self, table: str, business_dates: Sequence[date] | None = None) -> pl.LazyFrame | None:
        parts = [
            frame.with_columns(business_date=pl.lit(day))
            for (name, day, _), frame in sorted(self.frames.items(), key=lambda item: item[0])
            if name == table and (business_dates is None or day in business_dates)
        ]
        if not parts:
            return None
        columns = columns_of(table)
        shape = [] if columns is None else [columns.to_frame()]
        return pl.concat([*shape, *parts], how="diagonal").lazy()

    @override
    def business_dates(self, table: str) -> Sequence[date]:
        return sorted({day for name, day, _ in self.frames if name == table})

    @override
    def local_path(self, table: str) -> Path:
        root = Path(tempfile.mkdtemp(dir=_folder_of(os.getpid())))
        (root / table).mkdir()
        for (name, day, file_name), frame in self.frames.items():
            if name == table:
                path = root / _path(name, day, file_name)
                path.parent.mkdir(parents=True, exist_ok=True)
                frame.write_parquet(path)
        return root / table


@dataclass
class FailingLake(FakeLake):
    """Writes of these intake ids fail: `before` they are written, or `after`."""

    before: set[int] = field(default_factory=set)
    after: set[int] = field(default_factory=set)
    scanned: list[str] = field(default_factory=list)

    @override
    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        if int(name) in self.before:
            raise OSError("no space left on device")
        uri = super().write_file(table, business_date, name, parquet)
        if int(name) in self.after:
            raise OSError("killed")
        return uri

    @override
    def replace_rows(
        self, table: str, business_date: date, name: str, intake_id: int, parquet: Path
    ) -> str:
        if intake_id in self.before:
            raise OSError("no space left on device")
        uri = super().replace_rows(table, business_date, name, intake_id, parquet)
        if intake_id in self.after:
            raise OSError("killed")
        return uri

    @override
    def scan(self, table: str, business_dates: Sequence[date] | None = None) -> pl.LazyFrame | None:
        self.scanned.append(table)
        return super().scan(table, business_dates)


@cache
def _folder_of(process: int) -> Path:
    """One for all fakes of a process: views of a build read their files after the fake is forgotten."""
    folder = Path(tempfile.mkdtemp(prefix="fake-lakes-"))
    atexit.register(_delete, folder, process)
    return folder


def _delete(folder: Path, process: int) -> None:
    """Not at the end of a process that was forked from that one."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _path(table: str, business_date: date, name: str) -> str:
    return f"{table}/business_date={business_date.isoformat()}/{name}.parquet"
