"""Named importers: reports of processors and card companies to the chargebacks contract.

Belongs here: the type, and which importer a header gets. One module a processor under
`importing/` says what its columns mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cardops.contracts.importers import adyen, jpmorgan, stripe, worldpay
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.headers import normalised
from cardops.rules.intake.files import Kind

# Names by which a report of several sections shows the header that counts.
SECTIONS: Final = ("Dispute Transaction Sequence Number",)


@dataclass(frozen=True, slots=True)
class Importer:
    """How one report becomes rows of the contract.

    `header`: normalised names that it must have, all of them. `columns`: contract column -> text,
    as an expression over the report's columns by normalised name. `is_row`: where a record is a
    dispute at all.
    """

    name: str
    header: frozenset[str]
    columns: Mapping[str, pl.Expr]
    is_row: pl.Expr | None = None

    def unused(self, names: Sequence[str]) -> tuple[str, ...]:
        """Columns of the report that serve nothing."""
        used = {root for value in self.columns.values() for root in value.meta.root_names()}
        return tuple(name.strip() for name in names if normalised(name) not in used)

    def imported(
        self, chunk: pl.DataFrame, names: Sequence[str], contract: Contract
    ) -> pl.DataFrame:
        """The chunk with the contract's columns; a name that stands twice serves by its first."""
        first = {name: str(place) for place, name in reversed(list(enumerate(names)))}
        texts = chunk.select(
            "row_number",
            "raw",
            "framing",
            *(
                pl.col(place).str.strip_chars(" \t").replace("", None).alias(name)
                for name, place in first.items()
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


def _importers() -> tuple[Importer, ...]:
    return (
        Importer("jpmorgan-details-v2", jpmorgan.DETAILS_V2_HEADER, jpmorgan.details_v2()),
        Importer("jpmorgan-pde-0017", jpmorgan.PDE_0017_HEADER, jpmorgan.pde_0017()),
        Importer("jpmorgan-details", jpmorgan.DETAILS_HEADER, jpmorgan.details()),
        Importer("adyen", adyen.HEADER, adyen.columns()),
        Importer("stripe", stripe.HEADER, stripe.columns(), stripe.is_dispute()),
        Importer("worldpay", worldpay.HEADER, worldpay.columns()),
    )


def importer_for(kind: Kind, names: Sequence[str]) -> Importer | None:
    """The importer whose header this is, or None for a file in the contract's own names."""
    if kind is not Kind.CHARGEBACKS:
        return None
    found = {normalised(name) for name in names}
    return next((importer for importer in _importers() if importer.header <= found), None)
