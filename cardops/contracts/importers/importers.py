"""Named importers: reports of processors and card companies, read as files of a kind.

Belongs here: the type, and which importer a header gets. What the columns of a report mean is in the
module of its processor beside this one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cardops.contracts.importers import adyen, jpmorgan, stripe, worldpay
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.source import normalised

# Column names that mark the detail section's header in a report of several sections.
SECTIONS: Final = ("Dispute Transaction Sequence Number",)


@dataclass(frozen=True, slots=True)
class Importer:
    """How one report becomes rows of the contract.

    `header`: normalised names that all must be there. `columns`: contract column -> text, as an
    expression over the report's columns by normalised name. `is_row`: which records are rows of
    this kind; None means all.
    """

    name: str
    header: frozenset[str]
    columns: Mapping[str, pl.Expr]
    is_row: pl.Expr | None = None

    def unused(self, names: Sequence[str]) -> tuple[str, ...]:
        """Columns of the report that no contract column is taken from."""
        used = self._read_columns()
        return tuple(name.strip() for name in names if normalised(name) not in used)

    def imported(
        self, chunk: pl.DataFrame, names: Sequence[str], contract: Contract
    ) -> pl.DataFrame:
        """The chunk with the contract's columns; of a repeated name the first column counts.

        A report may lack any column but those of `header`: what is taken from it is null then.
        """
        first = {name: str(index) for index, name in reversed(list(enumerate(names)))}
        texts = chunk.select(
            "row_number",
            "raw",
            "framing",
            *(
                pl.col(index).str.strip_chars(" \t").replace("", None).alias(name)
                for name, index in first.items()
            ),
            *(
                pl.lit(None, pl.String).alias(name)
                for name in sorted(self._read_columns() - first.keys())
            ),
        )
        if self.is_row is not None:
            texts = texts.filter(pl.col("framing").is_not_null() | self.is_row)
        absent = pl.lit(None, pl.String)
        return texts.select(
            "row_number",
            "raw",
            "framing",
            *(self.columns.get(column, absent).alias(column) for column in contract.columns),
        )

    def missing(self, names: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
        """Columns of the report of which one is needed, and none is there, for a required column."""
        found = {normalised(name) for name in names}
        sources = (set(self.columns[column].meta.root_names()) for column in required)
        return tuple(" or ".join(sorted(roots)) for roots in sources if not roots & found)

    def _read_columns(self) -> set[str]:
        """Normalised names of the report's columns that are read."""
        return {root for value in self.columns.values() for root in value.meta.root_names()}


DISPUTE_REPORTS: Final = (
    Importer("jpmorgan-details-v2", jpmorgan.DETAILS_V2_HEADER, jpmorgan.details_v2()),
    Importer("jpmorgan-pde-0017", jpmorgan.PDE_0017_HEADER, jpmorgan.pde_0017()),
    Importer("jpmorgan-details", jpmorgan.DETAILS_HEADER, jpmorgan.details()),
    Importer("adyen", adyen.HEADER, adyen.columns()),
    Importer("stripe", stripe.HEADER, stripe.columns(), stripe.is_dispute()),
    Importer("worldpay", worldpay.HEADER, worldpay.columns()),
)


def importer_for(importers: Sequence[Importer], names: Sequence[str]) -> Importer | None:
    """The importer whose header this is, or None for a file in the contract's own names."""
    found = {normalised(name) for name in names}
    return next((importer for importer in importers if importer.header <= found), None)
