"""One way to read an input file, whatever its format: header first, then chunks of text rows.

Belongs here: which reader a file gets, and its header. The package describes a chunk.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import polars as pl

from cardops.contracts.importers.importers import SECTIONS, Importer, importer_for
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.converted import converted
from cardops.contracts.reading.csv_rows import STRICT, CsvRows, trimmed
from cardops.contracts.reading.encodings import as_utf8
from cardops.contracts.reading.json_rows import JsonRows
from cardops.contracts.reading.mapped import MappedLayout, named
from cardops.contracts.reading.parquet_rows import ParquetRows
from cardops.contracts.reading.source import (
    FileRefusedError,
    Header,
    Layout,
    SourceFile,
    normalised,
    opened,
    placed,
    refusing_broken_compression,
    resolve,
)
from cardops.rules.card_numbers import mask_card_numbers

# Formats of files for which a mapping can be proposed.
_PROPOSED_FOR: Final = frozenset({"csv", "xlsx"})


class InputRows:
    """The rows of one file under a contract.

    `header_line` and `format` make released rows a file again.
    """

    def __init__(
        self, source: SourceFile, contract: Contract, mapped: MappedLayout | None = None
    ) -> None:
        """Reads no further than the header. Raises FileRefusedError.

        `mapped`: how the sender's files differ from the contract; None where they do not.
        """
        self._source = source
        self._contract = contract
        self.format = source.format_among(contract.converters)
        # What a library reads has one form, whoever sent it.
        self._mapped = None if self.format in contract.converters else mapped
        self._layout: Layout = self._mapped or contract
        self.header_line = ""
        self.importer: Importer | None = None
        # (column, word) of a report -> in how many records read so far it is not understood.
        self.silent_words = Counter[tuple[str, str]]()
        self._unknown: tuple[str, ...] = ()
        self._json: JsonRows | None = None
        with refusing_broken_compression(source.name):
            self._chunks = self._open()

    @property
    def keeps_latest(self) -> bool:
        """Whether of several records of one dispute the latest alone is a row: see `Importer`."""
        return self.importer is not None and self.importer.keeps_latest

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Names that serve no column, card numbers masked; of JSON, those read so far."""
        names = self._json.unknown if self._json else self._unknown
        return tuple(dict.fromkeys(map(mask_card_numbers, names)))

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the contract's columns, trimmed."""
        with refusing_broken_compression(self._source.name):
            yield from self._mapped.mapped(self._chunks) if self._mapped else self._chunks

    def _open(self) -> Iterator[pl.DataFrame]:
        stream = opened(self._source)
        convert = self._contract.converters.get(self.format)
        if convert:
            stream = converted(self._source.name, stream, convert)
            # Rows that are released become a file of the form in which they were read.
            self.format = "ndjson"
        elif self._mapped and self.format not in {"parquet", "xlsx"}:
            stream = as_utf8(self._source.name, stream, self._mapped.mapping.encoding)
        match self.format:
            case "csv":
                return self._csv(stream)
            case "parquet":
                return self._parquet(stream)
            case "xlsx":
                return self._xlsx(stream)
            case _:
                return self._json_rows(stream)

    def _csv(self, stream: BinaryIO) -> Iterator[pl.DataFrame]:
        syntax, sections = (self._mapped.syntax, ()) if self._mapped else (STRICT, SECTIONS)
        rows = CsvRows(self._source.name, stream, sections, syntax)
        self.header_line = rows.table.header_line
        importer = self._importer(rows.table.names)
        if importer:
            return self._imported(importer, rows.table.names, rows.chunks())
        header = self._resolved(rows.table.names)
        chunks = rows.chunks(is_trimmed=True)
        return (placed(chunk, header, self._layout) for chunk in chunks)

    def _xlsx(self, stream: BinaryIO) -> Iterator[pl.DataFrame]:
        from cardops.contracts.reading.xlsx_rows import XlsxRows  # noqa: PLC0415 - seldom needed

        name = self._source.name
        if self._mapped:
            rows = XlsxRows(name, stream, self._mapped.syntax, self._mapped.mapping.sheet)
        else:
            rows = XlsxRows(name, stream, STRICT, sections=SECTIONS)
        importer = self._importer(rows.table.names)
        if importer:
            return self._imported(importer, rows.table.names, rows.chunks())
        header = self._resolved(rows.table.names)
        amounts = [
            position
            for column, position in header.positions.items()
            if column in self._layout.amounts
        ]
        has_own_time = self._mapped is not None and self._mapped.mapping.time_of_day is not None
        instants = [
            position
            for column, position in header.positions.items()
            if self._contract.times.get(column) is False and not has_own_time
        ]
        chunks = rows.chunks(
            amounts=amounts, instants=instants, decimal=self._layout.number_decimal
        )
        return (placed(chunk, header, self._layout) for chunk in chunks)

    def _importer(self, names: Sequence[str]) -> Importer | None:
        """A mapping says what the columns are: no report of a processor is looked for then."""
        return None if self._mapped else importer_for(self._contract.importers, names)

    def _resolved(self, names: Sequence[str]) -> Header:
        header = resolve(names, self._layout)
        self._refuse(header)
        self._unknown = header.unknown
        return header

    def _imported(
        self, importer: Importer, names: Sequence[str], found: Iterator[pl.DataFrame]
    ) -> Iterator[pl.DataFrame]:
        self.importer = importer
        self._refuse_missing(importer.missing(names, self._contract.required))
        self._unknown = importer.unused(names)
        known = [normalised(name) for name in names]
        return self._trimmed(self._rows_of(importer, chunk, known) for chunk in found)

    def _rows_of(
        self, importer: Importer, chunk: pl.DataFrame, names: Sequence[str]
    ) -> pl.DataFrame:
        self.silent_words += importer.silent_words(chunk, names)
        return importer.imported(chunk, names, self._contract)

    def _parquet(self, stream: BinaryIO) -> Iterator[pl.DataFrame]:
        rows = ParquetRows(self._source.name, stream, self._layout)
        self._refuse(rows.header)
        self._unknown = rows.header.unknown
        return self._trimmed(rows.chunks())

    def _json_rows(self, stream: BinaryIO) -> Iterator[pl.DataFrame]:
        start = stream.read(64 * 1024).removeprefix(b"\xef\xbb\xbf").lstrip()
        stream.seek(0)
        if not start:
            raise FileRefusedError(
                f"{self._source.name} is empty, so nothing was ingested: send it again."
            )
        if start[:1] not in (b"[", b"{"):
            raise FileRefusedError(
                f"{self._source.name} is neither a JSON array nor lines of JSON objects, so "
                "nothing was ingested: send it as one of these."
            )
        is_lines = self.format == "ndjson" and start[:1] == b"{"
        self._json = JsonRows(stream, self._layout, is_lines=is_lines)
        return self._trimmed(self._json.chunks())

    def _trimmed(self, chunks: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        return (trimmed(chunk, self._layout.columns) for chunk in chunks)

    def _refuse(self, header: Header) -> None:
        self._refuse_missing(header.missing)
        if header.repeated:
            raise FileRefusedError(
                f"{self._source.name} has column {self._named(header.repeated)} twice, so nothing was "
                "ingested: keep the one that is meant."
            )

    def _refuse_missing(self, columns: Sequence[str]) -> None:
        if columns:
            raise FileRefusedError(
                f"{self._source.name} has no column {self._named(columns)}, which "
                f"{self._contract.kind} need, so nothing was ingested: add it to the header"
                f"{self._other_way()}."
            )

    def _other_way(self) -> str:
        """What may be done where the sender writes its files like that."""
        if self._mapped:
            return ", or mend the mapping"
        if self.format not in _PROPOSED_FOR:
            return ""
        return (
            f", or, where its sender always writes it like that, let `cardops mapping try FILE --kind "
            f"{self._contract.kind}` propose how its columns are read"
        )

    def _named(self, columns: Sequence[str]) -> str:
        return named(self._mapped, columns) if self._mapped else " and ".join(columns)
