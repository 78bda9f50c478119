"""Rows of one file on this machine's disk, from reading until they are applied.

Belongs here: parts written one after another and read as one table, so that no file has to fit in
memory. The folder belongs to one run and is removed with it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl


@dataclass
class Workspace:
    """Named datasets of rows: `text` as read, `valid`, `quarantined`.

    All parts of a dataset have the same columns.
    """

    folder: Path
    parts: dict[str, list[Path]] = field(default_factory=dict)
    row_counts: dict[str, int] = field(default_factory=dict)

    def add(self, dataset: str, rows: pl.DataFrame) -> None:
        """Write one part; an empty one is written too, for its columns."""
        paths = self.parts.setdefault(dataset, [])
        path = self.folder / f"{dataset}-{len(paths):06d}.parquet"
        rows.write_parquet(path, compression="lz4", statistics=False)
        paths.append(path)
        self.row_counts[dataset] = self.row_counts.get(dataset, 0) + rows.height

    def count(self, dataset: str) -> int:
        """Rows in the dataset."""
        return self.row_counts.get(dataset, 0)

    def scan(self, dataset: str) -> pl.LazyFrame:
        """The dataset as one table. Write a part before reading."""
        return pl.scan_parquet(self.parts[dataset])

    def chunks(self, dataset: str) -> Iterator[pl.DataFrame]:
        """The dataset's parts in order."""
        for path in self.parts.get(dataset, []):
            yield pl.read_parquet(path)


@contextmanager
def temporary_workspace() -> Iterator[Workspace]:
    """A workspace whose folder is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="cardops-intake-") as folder:
        yield Workspace(Path(folder))
