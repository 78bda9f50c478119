"""Input files: names of kinds, row reasons, flags, and counts that must add up."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NewType

from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.errors import ExplainedError

PROGRAM_PATTERN: Final = r"[a-z0-9-]{1,32}"
ID_PATTERN: Final = r"[A-Za-z0-9_.:-]{1,64}"
DEFAULT_PROGRAM: Final = "default"


# The name of a kind of input files, and of its folder under `incoming/`: `deposits`, for example.
# An open set: which kinds there are is in cardops.contracts.kinds.registry.
Kind = NewType("Kind", str)


class RowReason(StrEnum):
    """Why a row is quarantined: a closed set (docs/file-formats.md)."""

    MISSING_FIELD = "missing_field"
    MALFORMED_ROW = "malformed_row"
    BAD_ENCODING = "bad_encoding"
    INVALID_ID = "invalid_id"
    INVALID_AMOUNT = "invalid_amount"
    NON_POSITIVE_AMOUNT = "non_positive_amount"
    TOO_MANY_FRACTION_DIGITS = "too_many_fraction_digits"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    UNKNOWN_CURRENCY = "unknown_currency"
    INVALID_TIMESTAMP = "invalid_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"
    INVALID_STATUS = "invalid_status"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    ORPHANED_REFERENCE = "orphaned_reference"
    UNROUTABLE_NETWORK = "unroutable_network"
    RECALLED_BEFORE = "recalled_before"


class RowFlag(StrEnum):
    """What is recorded with an accepted row: a closed set."""

    TRANSACTION_UNKNOWN = "transaction_unknown"
    ORDER_UNKNOWN = "order_unknown"
    CURRENCY_DIFFERS = "currency_differs"
    AMOUNT_EXCEEDS_TRANSACTION = "amount_exceeds_transaction"
    ITEMS_DO_NOT_ADD_UP = "items_do_not_add_up"
    NAIVE_TIMESTAMP = "naive_timestamp"
    UNEXPECTED_STAGE = "unexpected_stage"
    DAMAGED_VALUE = "damaged_value"
    REFUNDED_ALREADY = "refunded_already"
    DUPLICATE_CASE = "duplicate_case"
    FAILED_PAYMENT = "failed_payment"


class FileStatus(StrEnum):
    """Where a file stands in the intake ledger.

    `dead`: given up after repeated crashes. `held`: not applied until its control file comes or a
    second person approves it. `recalled`: taken back; it credits nothing, whoever
    ingests it, until it is reinstated.
    """

    CLAIMED = "claimed"
    APPLYING = "applying"
    APPLIED = "applied"
    REFUSED = "refused"
    DEAD = "dead"
    RECALLED = "recalled"
    HELD = "held"


class IntakeFileMissingError(ExplainedError, LookupError):
    """No file has this intake id."""

    def __init__(self, intake_id: int) -> None:
        super().__init__(
            f"There is no intake file {intake_id}; `cardops quarantine list` shows numbers."
        )


class BatchMissingError(ExplainedError, LookupError):
    """No chargeback batch has this id."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"There is no chargeback batch {batch_id}.")


class StagingLostError(ExplainedError, RuntimeError):
    """A file's staged rows are gone or incomplete, as after a crash of the database."""

    def __init__(self, intake_id: int) -> None:
        super().__init__(
            f"The staged rows of intake file {intake_id} are incomplete, as after a crash of the "
            "database; ingest the file again: no deposit is credited twice."
        )


class UncountedRowsError(AssertionError):
    """The counts of a file do not add up: a bug, whatever the input."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object seen under `incoming/`, not yet claimed.

    `bucket` is the store's URL, `key` the path inside it, `version` an ETag or size and mtime:
    equal versions of one key need not be read again.
    """

    kind: Kind
    program: str
    bucket: str
    key: str
    version: str
    content_sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class IntakeFile:
    """A claimed file. `business_date` is the UTC date of its claim and never changes.

    `attempt_series`: how often its attempts were counted from 1 again. `mapping_version`: with which of
    its program's mappings it is read, None for none. `lake_file_id`: the file whose Parquet file in the
    lake has the rows of this one too, None where it has its own. `is_filed`: its rows belong to its
    batch for good (cardops.rules.chargebacks.filing).
    """

    intake_id: int
    arrival: Arrival
    business_date: date
    status: FileStatus
    batch_id: str | None = None
    outcome: "FileOutcome | None" = None
    attempt_series: int = 0
    mapping_version: int | None = None
    lake_file_id: int | None = None
    is_filed: bool = False

    @property
    def lake_name(self) -> str:
        """The name of the Parquet file with its rows in its lake table."""
        return f"{self.lake_file_id or self.intake_id:012d}"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of a file's rows: read = accepted + duplicate + quarantined.

    A row with several reasons counts once in `quarantined` and once under each reason.
    `totals_minor` are the accepted amounts by currency. A refused file has `error`, a sentence.
    `contract_version`: of the contract that judged it; None where nothing did, or nobody recorded it.
    """

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    totals_minor: Mapping[str, int] = field(default_factory=dict)
    unknown_columns: tuple[str, ...] = ()
    quarantine_path: str | None = None
    error: str | None = None
    contract_version: int | None = None

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.duplicate + self.quarantined:
            raise UncountedRowsError(
                f"read {self.read} rows but accounted for {self.accepted} accepted + "
                f"{self.duplicate} duplicate + {self.quarantined} quarantined"
            )


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """The files of one kind that were claimed on one business date, and their rows."""

    business_date: date
    files: int
    refused_files: int
    read: int
    quarantined: int


def total_outcome(outcomes: Sequence[FileOutcome]) -> FileOutcome:
    """The counts and sums of several files together, as one outcome."""

    def added(counts_of: Callable[[FileOutcome], Mapping[str, int]]) -> dict[str, int]:
        sums: Counter[str] = Counter()
        for outcome in outcomes:
            sums.update(counts_of(outcome))
        return dict(sorted(sums.items()))

    return FileOutcome(
        read=sum(outcome.read for outcome in outcomes),
        accepted=sum(outcome.accepted for outcome in outcomes),
        duplicate=sum(outcome.duplicate for outcome in outcomes),
        quarantined=sum(outcome.quarantined for outcome in outcomes),
        reasons=added(lambda outcome: outcome.reasons),
        flags=added(lambda outcome: outcome.flags),
        totals_minor=added(lambda outcome: outcome.totals_minor),
        unknown_columns=tuple(
            sorted({name for outcome in outcomes for name in outcome.unknown_columns})
        ),
    )


@dataclass(frozen=True, slots=True)
class ChargebackBatch:
    """Chargeback files of one program that were claimed together, or rows released together.

    `line_rule`: what a line of its files is. `filed_at`: when it was decided which rows its files
    have. `made_slots`: slot -> accepted rows that its file accounts for. `layout_version` and
    `layouts` (destination -> version of its own layout): how its files look.
    """

    batch_id: str
    program: str
    business_date: date
    mode: str
    files: tuple[IntakeFile, ...] = ()
    line_rule: str = "stages"
    filed_at: datetime | None = None
    made_slots: Mapping[str, int] = field(default_factory=dict)
    layout_version: int = 1
    layouts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_made(self) -> bool:
        """Whether every one of its four slots was built."""
        return set(self.made_slots) >= set(NETWORKS)

    @property
    def filed_files(self) -> tuple[IntakeFile, ...]:
        """The files whose rows are in its chargeback files."""
        return tuple(file for file in self.files if file.is_filed)

    @property
    def unfinished_files(self) -> tuple[IntakeFile, ...]:
        """Files that are being ingested, or about to."""
        open_states = {FileStatus.CLAIMED, FileStatus.APPLYING}
        return tuple(
            file for file in self.files if file.status in open_states and not file.is_filed
        )


class FileRecalledError(ExplainedError, RuntimeError):
    """The file was recalled, and nothing of it may be credited."""

    def __init__(self, intake_file: IntakeFile) -> None:
        super().__init__(
            f"Intake file {intake_file.intake_id} ({intake_file.arrival.key}) was recalled before, "
            "so nothing of it is credited. If it should be, run `cardops deposits reinstate "
            f"{intake_file.intake_id} --by NAME --why TEXT`."
        )
