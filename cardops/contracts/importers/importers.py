"""Named importers: reports of processors and card companies, read as files of a kind.

Belongs here: the type, and which importer a header gets. What the columns of a report mean is in the
module of its processor beside this one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cardops.contracts.importers import (
    adyen,
    braintree,
    cybersource,
    fiserv,
    jpmorgan,
    stripe,
    worldpay,
)
from cardops.contracts.importers.vocabulary import Vocabulary
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.source import normalised

# Column names that mark the detail section's header in a report of several sections.
SECTIONS: Final = ("Dispute Transaction Sequence Number",)


@dataclass(frozen=True, slots=True)
class Importer:
    """How one report becomes rows of the contract.

    `title`: whose report it is, for people. `header`: normalised names that all must be there:
    those without which a report is no other one; any further column may be absent.
    `columns`: contract column -> text, as an expression over the report's columns by normalised
    name. `is_row`: which records are rows of this kind; None means all. `vocabularies`: columns
    whose words are understood from a table; `silent` of them cost their row nothing where they are
    not. `keeps_latest`: of several records of one dispute in a file, the latest alone is a row.
    """

    name: str
    title: str
    header: frozenset[str]
    columns: Mapping[str, pl.Expr]
    is_row: pl.Expr | None = None
    vocabularies: tuple[Vocabulary, ...] = ()
    silent: tuple[Vocabulary, ...] = ()
    keeps_latest: bool = False

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
        texts = self.texts(chunk, names)
        absent = pl.lit(None, pl.String)
        return texts.select(
            "row_number",
            "raw",
            "framing",
            *(self.columns.get(column, absent).alias(column) for column in contract.columns),
        )

    def silent_words(self, chunk: pl.DataFrame, names: Sequence[str]) -> Counter[tuple[str, str]]:
        """(column, word) of `silent` that no table has -> in how many records."""
        if not self.silent:
            return Counter()
        texts = self.texts(chunk, names)
        return Counter(
            (vocabulary.column, word)
            for vocabulary in self.silent
            for word in vocabulary.unknown_words(texts)
        )

    def texts(self, chunk: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """The records that are rows, with the report's columns by normalised name.

        A header that a report repeats is no row, nor is an inventory.
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
        is_header = pl.all_horizontal(
            (pl.col(name).str.to_lowercase() == name).fill_null(value=False)
            for name in sorted(self.header)
        )
        is_row = ~is_header if self.is_row is None else ~is_header & self.is_row
        return texts.filter(pl.col("framing").is_not_null() | is_row)

    def missing(self, names: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
        """Columns of the report of which one is needed, and none is there, for a required column."""
        found = {normalised(name) for name in names}
        sources = (set(self.columns[column].meta.root_names()) for column in required)
        return tuple(" or ".join(sorted(roots)) for roots in sources if not roots & found)

    def _read_columns(self) -> set[str]:
        """Normalised names of the report's columns that are read."""
        words = {vocabulary.column for vocabulary in self.vocabularies}
        return words | {root for value in self.columns.values() for root in value.meta.root_names()}


_JPMORGAN_FLAT: Final = (jpmorgan.CATEGORY_CODE, jpmorgan.EVENT_TYPE)
DISPUTE_REPORTS: Final = (
    Importer(
        "jpmorgan-details-v1",
        "J.P. Morgan Dispute Details, version 1",
        jpmorgan.DETAILS_V1_HEADER,
        jpmorgan.details_v1(),
        is_row=jpmorgan.CATEGORY_CODE.is_event(),
        vocabularies=_JPMORGAN_FLAT,
        keeps_latest=True,
    ),
    Importer(
        "jpmorgan-details-v2",
        "J.P. Morgan Dispute Details, version 2",
        jpmorgan.DETAILS_V2_HEADER,
        jpmorgan.details_v2(),
        is_row=jpmorgan.CATEGORY_CODE.is_event(),
        vocabularies=_JPMORGAN_FLAT,
        keeps_latest=True,
    ),
    Importer(
        "jpmorgan-pde-0017",
        "J.P. Morgan PDE-0017",
        jpmorgan.PDE_0017_HEADER,
        jpmorgan.pde_0017(),
        is_row=jpmorgan.CATEGORY_CODE.is_event(),
        vocabularies=(jpmorgan.CATEGORY_CODE, jpmorgan.TYPE),
        keeps_latest=True,
    ),
    Importer(
        "jpmorgan-details",
        "J.P. Morgan Dispute Details, preset report",
        jpmorgan.DETAILS_HEADER,
        jpmorgan.details(),
        is_row=jpmorgan.CATEGORY.is_event(),
        vocabularies=(jpmorgan.CATEGORY, jpmorgan.TYPE),
        keeps_latest=True,
    ),
    Importer(
        "adyen",
        "Adyen dispute transaction details",
        adyen.HEADER,
        adyen.columns(),
        is_row=adyen.RECORD_TYPE.is_event(),
        vocabularies=(adyen.RECORD_TYPE,),
    ),
    Importer(
        "stripe",
        "Stripe payments export",
        stripe.HEADER,
        stripe.columns(),
        is_row=stripe.is_dispute(),
        vocabularies=(stripe.STATUS,),
    ),
    Importer(
        "worldpay",
        "Worldpay eComm chargeback cases",
        worldpay.HEADER,
        worldpay.columns(),
        vocabularies=(worldpay.CYCLE, worldpay.QUEUE),
        silent=(worldpay.QUEUE,),
    ),
    Importer(
        "braintree",
        "Braintree dispute report",
        braintree.HEADER,
        braintree.columns(),
        vocabularies=(braintree.KIND, braintree.STATUS),
    ),
    Importer(
        "cybersource",
        "CyberSource chargeback report",
        cybersource.HEADER,
        cybersource.columns(),
        vocabularies=(cybersource.NATURE,),
    ),
    Importer(
        "fiserv",
        "Fiserv Business Track chargebacks",
        fiserv.HEADER,
        fiserv.columns(),
        vocabularies=(fiserv.TYPE, fiserv.OUTCOME),
    ),
)


def importer_for(importers: Sequence[Importer], names: Sequence[str]) -> Importer | None:
    """The importer whose header this is, or None for a file in the contract's own names."""
    found = {normalised(name) for name in names}
    return next((importer for importer in importers if importer.header <= found), None)
