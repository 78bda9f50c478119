"""Rows of one file on this machine's disk, from reading until they are applied.

Belongs here: parts written one after another and read as one table, so that no file has to fit in
memory. They are in Arrow's own format, which costs no encoding and is read where it lies: a part is
written once and read once or twice. The folder belongs to one run and is removed with it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa


@dataclass
class Workspace:
    """Named datasets of rows: `text` as read, `valid`, `quarantined`, and the records as they stood.

    All parts of a dataset have the same columns.
    """

    folder: Path
    parts: dict[str, list[Path]] = field(default_factory=dict)
    row_counts: dict[str, int] = field(default_factory=dict)
    raw_numbers: list[tuple[int, int]] = field(default_factory=list)
    # Sums by currency of those amounts of quarantined rows that are amounts.
    quarantined_totals: dict[str, int] = field(default_factory=dict)

    def add(self, dataset: str, rows: pl.DataFrame) -> None:
        """Write one part; an empty one is written too, for its columns."""
        paths = self.parts.setdefault(dataset, [])
        path = self.folder / f"{dataset}-{len(paths):06d}.arrow"
        rows.write_ipc(path)
        paths.append(path)
        self.count_rows(dataset, rows.height)

    def part(self, dataset: str, index: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """One part, with these columns or all; its texts stay in the file."""
        with pa.memory_map(str(self.parts[dataset][index])) as source:
            table = pa.ipc.open_file(source).read_all()
        frame = pl.from_arrow(table if columns is None else table.select(list(columns)))
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"a part of {dataset} is no table")
        return frame

    def replace_part(self, dataset: str, index: int, rows: pl.DataFrame) -> None:
        """Write one part again, with more or fewer rows."""
        path = self.parts[dataset][index]
        earlier = self.part(dataset, index).height
        self.count_rows(dataset, rows.height - earlier)
        # The rows may be texts of the file that they replace.
        again = path.with_suffix(".again")
        rows.write_ipc(again)
        again.replace(path)

    def add_raw(self, rows: pl.DataFrame) -> None:
        """Write `row_number` and `raw` of the next rows: few of them are ever looked up."""
        paths = self.parts.setdefault("raw", [])
        path = self.folder / f"raw-{len(paths):06d}.arrow"
        rows.write_ipc(path)
        paths.append(path)
        numbers = rows["row_number"]
        self.raw_numbers.append((numbers[0], numbers[-1]) if len(numbers) else (0, -1))

    def with_raw(self, rows: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
        """These rows with their `raw`, by the index of the part they were read in."""
        if rows.is_empty():
            return
        for index, (path, numbers) in enumerate(
            zip(self.parts["raw"], self.raw_numbers, strict=True)
        ):
            wanted = rows.filter(pl.col("row_number").is_between(*numbers))
            if not wanted.is_empty():
                records = pl.read_ipc(path)
                yield index, records.join(wanted, on="row_number", maintain_order="left")

    def add_quarantined_totals(self, sums: pl.DataFrame) -> None:
        """Add `currency` and `minor` of more quarantined rows."""
        for currency, minor in sums.iter_rows():
            self.quarantined_totals[currency] = self.quarantined_totals.get(currency, 0) + minor

    def count_rows(self, dataset: str, rows: int) -> None:
        """Add to the dataset's count."""
        self.row_counts[dataset] = self.row_counts.get(dataset, 0) + rows

    def count(self, dataset: str) -> int:
        """Rows in the dataset."""
        return self.row_counts.get(dataset, 0)

    def scan(self, dataset: str) -> pl.LazyFrame:
        """The dataset as one table. Write a part before reading."""
        return pl.scan_ipc(self.parts[dataset])

    def chunks(self, dataset: str, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The dataset's parts in order, with these columns or all."""
        for index in range(len(self.parts.get(dataset, []))):
            yield self.part(dataset, index, columns)


@contextmanager
def temporary_workspace() -> Iterator[Workspace]:
    """A workspace whose folder is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="cardops-intake-") as folder:
        yield Workspace(Path(folder))
