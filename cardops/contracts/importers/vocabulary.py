"""What the words of a report mean: stages and statuses of disputes, from `data/report_words.csv`.

Belongs here: a column of words as expressions. An unknown word stays as it is, so that the contract
quarantines its row, and `cardops importers check` lists it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from cardops.rules.data_tables import read_table


@dataclass(frozen=True)
class Vocabulary:
    """The words of one column. `report`: whose; `column`: the report's column, by normalised name."""

    report: str
    column: str

    def stage(self) -> pl.Expr:
        """The stage that the word means; null where it says nothing about it."""
        return self._meaning("stage")

    def status(self) -> pl.Expr:
        """The status that the word means; null where it says nothing about it."""
        return self._meaning("status")

    def is_event(self) -> pl.Expr:
        """False where the record is no step of a dispute, such as an inventory."""
        others = [key for key, row in self.rows.items() if row["is_event"] == "no"]
        return ~self._key().is_in(others).fill_null(value=False)

    def unknown_words(self, texts: pl.DataFrame) -> list[str]:
        """The words of the report's column that the table does not have, each as often as it is there."""
        return texts.filter(self.is_unknown())[self.column].to_list()

    def is_unknown(self) -> pl.Expr:
        """Where there is a word that the table does not have."""
        return pl.col(self.column).is_not_null() & ~self._key().is_in(list(self.rows))

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, str]]:
        """The table's rows by `word_key`."""
        return {
            word_key(row["word"]): row
            for row in read_table("report_words")
            if row["report"] == self.report
        }

    def _meaning(self, field: str) -> pl.Expr:
        meanings = {key: row[field] or None for key, row in self.rows.items()}
        known = self._key().replace_strict(meanings, default=None, return_dtype=pl.String())
        return pl.when(self.is_unknown()).then(pl.col(self.column)).otherwise(known)

    def _key(self) -> pl.Expr:
        return pl.col(self.column).str.to_lowercase().str.replace_all("[^a-z0-9]", "")


def word_key(word: str) -> str:
    """A word as it is compared: `Pre-Arbitration`, `PRE_ARBITRATION` -> one key."""
    return re.sub("[^a-z0-9]", "", word.lower())
