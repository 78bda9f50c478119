"""Everything in which one kind of input files differs from another, as one value.

Belongs here: the type. Each kind's own profile is in the module of its name beside this one; the
engine (reading, judging, applying, claiming, sensors, assets, commands) asks the profile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cardops.contracts.columns.types import INTEGER, TEXT
from cardops.contracts.kinds.contract import Contract
from cardops.rules.intake.files import Kind, RowFlag, RowReason

# The first columns of every kind's lake table: where a row comes from.
ORIGIN: Final = {
    "program": TEXT,
    "intake_id": INTEGER,
    "source_file": TEXT,
    "row_number": INTEGER,
    "flags": pl.List(TEXT),
}
# What a `RowSequence` adds to a row's flags.
ADDED_FLAG: Final = "added_flag"
# Lake columns that the engine fills, not the row: its origin, its batch, its ledger's number.
_FILLED_BY_ENGINE: Final = frozenset({*ORIGIN, "batch_id", "ledger_seq"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """A chunk of rows, and what a kind's own judge adds to the contract's checks.

    `reasons` quarantine a row, `flags` are recorded with it.
    """

    rows: pl.DataFrame
    reasons: Mapping[RowReason, pl.Expr] = field(default_factory=dict)
    flags: Mapping[RowFlag, pl.Expr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """The kind whose lake table a row refers to, by which column, and the columns joined from there.

    `columns`: lake column -> its name beside the row. A row quarantined as `orphaned_reference`
    waits for the referenced row and is released when that arrives.
    """

    kind: Kind
    key: str
    columns: Mapping[str, str]


# Rows (joined with what they refer to: see `Reference`), the mode of their batch, None where the kind
# has no batches, and the program's network routes -> judgement.
Judge = Callable[[pl.DataFrame, str | None, Mapping[str, str]], Judgement]
# Valid rows and earlier lake rows -> the same with identities that can be compared.
AlignIdentities = Callable[
    [pl.LazyFrame, pl.LazyFrame | None], tuple[pl.LazyFrame, pl.LazyFrame | None]
]


@dataclass(frozen=True, slots=True)
class RowSequence:
    """How rows of one identity follow one another, where a row may say again what an earlier one said.

    `columns`: lake columns that `judge` reads, beside a row's content. `dated_by`: the column that says
    when the row happened: no part of its state. `added`: what `judge` says of each new row; a lake
    column among them replaces the row's own where it is not null, and `added_flag` joins its flags.
    `judge`: rows of identities that have several, in order of arrival, to `row_number`, `outcome` and
    `added`. They have `id`, `file` (place of their file in the order of judging), `is_new`,
    `is_file_again`, `arrived_on` (null of known rows), `state 0`, `state 1` and `columns`.
    `flags`: those that it may add. `numbered_by`: the column among `added` with a row's number.
    """

    columns: tuple[str, ...]
    dated_by: str
    numbered_by: str
    added: pl.Schema
    judge: Callable[[pl.DataFrame], pl.DataFrame]
    flags: tuple[RowFlag, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the columns of accepted rows depend on beside the rows: the program's clocks."""

    response_days: Mapping[str, int] = field(default_factory=dict)


# Accepted rows, with what their sequence added -> the same with the columns that follow from it.
Complete = Callable[[pl.DataFrame, Terms], pl.DataFrame]


def complete_as_it_is(rows: pl.DataFrame, _terms: Terms) -> pl.DataFrame:
    """Nothing follows from the sequence of rows."""
    return rows


def no_judgement(
    rows: pl.DataFrame, _batch_mode: str | None, _routes: Mapping[str, str]
) -> Judgement:
    """Adds nothing to the contract's checks."""
    return Judgement(rows)


def identities_as_they_are(
    valid: pl.LazyFrame, earlier: pl.LazyFrame | None
) -> tuple[pl.LazyFrame, pl.LazyFrame | None]:
    """Identities are comparable as they stand."""
    return valid, earlier


@dataclass(frozen=True, kw_only=True)
class KindProfile:
    """One kind of input files.

    Reading:
    `contract`: columns, aliases, importers. `program_currency`: columns that take the program's
    currency where a row has none.

    Judging:
    `reference`: the kind its rows refer to. `judge`: reasons and flags beyond the contract's
    checks, and cells filled from the reference. `refusal`: why the valid rows together cannot be
    accepted, or None.

    The lake:
    `lake_table`: the columns of its table, which is named like the kind. `lake_values`: lake column
    -> expression over a judged row's text; other columns are copied. `typed_text`: columns into
    which people may have typed a card number. `control_totals`: (amount, currency) columns whose
    sums are recorded with each file, or None.

    Versions:
    `identity`: lake columns by which a row is known. `immutable`: columns that a later version must
    repeat. `not_content`: columns that make no new version. `align_identities`: see the type.
    `sequence`: where given, rows of one identity are judged in their order, not by content alone.
    `complete`: fills columns of accepted rows that depend on it.
    `lookup_column`: the identity's column under which rows are found, else its first; rows that
    `align_identities` makes equal share it. `shared_id_columns`: columns, of file and lake alike, by
    which two files may speak of the same row; else the same one.

    Applying:
    `applied_to`: the name of the port that says what became of each row; without one, a row is
    compared with the versions in the lake.

    Orchestration:
    `subject`: one row, in the singular; job, sensor and check are named after it. `has_batches`:
    files that are claimed together make a batch, which is a partition; else the business date is.
    """

    subject: str
    contract: Contract
    lake_table: pl.Schema
    identity: tuple[str, ...]
    description: str
    job_description: str
    program_currency: tuple[str, ...] = ()
    reference: Reference | None = None
    judge: Judge = no_judgement
    refusal: Callable[[pl.LazyFrame], str | None] | None = None
    lake_values: Mapping[str, pl.Expr] = field(default_factory=dict)
    typed_text: tuple[str, ...] = ()
    control_totals: tuple[str, str] | None = ("amount_minor", "currency")
    immutable: tuple[str, ...] = ()
    not_content: frozenset[str] = frozenset()
    align_identities: AlignIdentities = identities_as_they_are
    sequence: RowSequence | None = None
    complete: Complete = complete_as_it_is
    lookup_column: str | None = None
    shared_id_columns: tuple[str, ...] = ()
    applied_to: str | None = None
    has_batches: bool = False
    asset_group: str = "intake"
    asset_kinds: frozenset[str] = frozenset({"parquet"})

    @property
    def kind(self) -> Kind:
        """The kind's name; also that of its folder, its lake table and its asset."""
        return self.contract.kind

    @property
    def lookup(self) -> str:
        """The column under which rows are found."""
        return self.lookup_column or self.identity[0]

    @property
    def shared_ids(self) -> tuple[str, ...]:
        """Columns by which two files may speak of the same row."""
        return self.shared_id_columns or (self.lookup,)

    @property
    def job_name(self) -> str:
        """The job that ingests files of this kind."""
        return f"{self.subject}_intake"

    @property
    def sensor_name(self) -> str:
        """The sensor that claims files of this kind."""
        return f"{self.subject}_arrival_sensor"

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Lake columns that come from the row itself."""
        return tuple(name for name in self.lake_table if name not in _FILLED_BY_ENGINE)
