"""Rows of one file on this machine's disk, between reading and applying.

Belongs here: parts written one after the other and read as one, so that no file need fit in
memory. The folder is private to its run and removed with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl


@dataclass
class Workspace:
    """Named heaps of rows. A heap's parts have the same columns."""

    folder: Path
    parts: dict[str, list[Path]] = field(default_factory=dict)
    row_counts: dict[str, int] = field(default_factory=dict)

    def add(self, dataset: str, rows: pl.DataFrame) -> None:
        """Write one part; an empty one is kept too, for its columns."""
        paths = self.parts.setdefault(dataset, [])
        path = self.folder / f"{dataset}-{len(paths):06d}.parquet"
        rows.write_parquet(path, compression="lz4", statistics=False)
        paths.append(path)
        self.row_counts[dataset] = self.row_counts.get(dataset, 0) + rows.height

    def count(self, dataset: str) -> int:
        """Rows in the heap."""
        return self.row_counts.get(dataset, 0)

    def scan(self, dataset: str) -> pl.LazyFrame:
        """The heap as one table. Each heap has a part before it is read."""
        return pl.scan_parquet(self.parts[dataset])

    def chunks(self, dataset: str) -> Iterator[pl.DataFrame]:
        """The heap's parts in order."""
        for path in self.parts.get(dataset, []):
            yield pl.read_parquet(path)
