"""What the rules need from the outside, as Protocols.

Adapters implement them; assets, sensors and the authorizer ask for them; tests hand in fakes.

Belongs here: signatures and what holds about them. Does not belong here: any implementation, or
a type that a rule needs (those are in cardops.rules). Polars is named in annotations only, so
that importing this module costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path
    from typing import BinaryIO

    import duckdb
    import polars as pl

    from cardops.rules.access import ApiKey, Caller, NewKey, Program
    from cardops.rules.arrivals import Look
    from cardops.rules.authorization import Answer, Question
    from cardops.rules.callbacks import Callback, CallbackResult
    from cardops.rules.delivery import ChargebackFileRecord, RemoteStat
    from cardops.rules.holds import AuthorizationView
    from cardops.rules.intake import (
        Arrival,
        ChargebackBatch,
        FileOutcome,
        FileStatus,
        IntakeFile,
        Kind,
    )
    from cardops.rules.ledger import Account, AccountTotals
    from cardops.rules.moves import Move, MoveAnswer
    from cardops.rules.objects import ObjectStat


class Clock(Protocol):
    """The time of day, handed in so that no rule reads it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


class ObjectStore(Protocol):
    """One bucket or directory, addressed by keys with `/`."""

    url: str

    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        """Every object whose key begins with the prefix, in key order."""

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream. Raises ObjectMissingError."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissingError."""

    def create(self, key: str, content: bytes | Path) -> None:
        """Put a new object, whole or not at all. Raises ObjectExistsError, never overwrites."""

    def replace(self, key: str, content: bytes | Path) -> None:
        """Put an object, whole or not at all, over any earlier one."""

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    def uri(self, key: str) -> str:
        """Where a person or another program finds it: a path, or `s3://bucket/key`."""


class Arrivals(Protocol):
    """New files under `incoming/`, whether found by listing or told of by events."""

    def look(self, kind: Kind, seen_before: Mapping[str, str]) -> Look:
        """Files of the kind that are complete and not claimed yet, a bounded number."""

    def forget(self, look: Look) -> None:
        """Everything in `ready` is claimed: its events need not be told again."""


class Lake(Protocol):
    """History as Parquet: `<table>/business_date=D/<name>.parquet`, one writer a file."""

    def write(self, table: str, business_date: date, name: str, frame: pl.DataFrame) -> str:
        """Replace that one file, whole; an empty frame is written too. Returns its URI."""

    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        """The same for a Parquet file that was built on disk, for what does not fit in memory."""

    def scan(self, table: str, business_dates: Sequence[date] | None = None) -> pl.LazyFrame | None:
        """All rows of the table (with `business_date`), or None where it has no file yet."""

    def local_path(self, table: str) -> Path:
        """The table's folder on this machine's disk; a remote lake is mirrored there first."""


class IntakeLedger(Protocol):
    """Which files were seen, claimed and applied, once per (bucket, key, content)."""

    def known_versions(self, bucket: str, keys: Sequence[str]) -> set[tuple[str, str]]:
        """The (key, version) pairs among these keys that are claimed already."""

    def claim(self, arrival: Arrival, business_date: date) -> tuple[IntakeFile, bool]:
        """The file's entry, and whether this call made it. A known file keeps its first date."""

    def claim_batch(
        self, arrivals: Sequence[Arrival], business_date: date, *, mode: str
    ) -> ChargebackBatch | None:
        """Claim chargeback files of one program into one new batch, claimed and sealed at once.

        Files known already are left where they are; None when none of them is new.
        The id is `<program>-<business date>-<number>`, allotted here.
        """

    def find(self, intake_id: int) -> IntakeFile:
        """Raises IntakeFileMissingError."""

    def claimed_on(self, kind: Kind, business_date: date) -> Sequence[IntakeFile]:
        """Files of that kind and date, in claim order, whatever their status."""

    def unfinished(self, kind: Kind | None = None) -> Sequence[IntakeFile]:
        """Files claimed or applying: what a crashed run left behind."""

    def batch(self, batch_id: str) -> ChargebackBatch:
        """Raises BatchMissingError."""

    def exclusively(self, intake_id: int) -> AbstractContextManager[IntakeFile]:
        """Hold the file alone until the block ends (other holders wait); its fresh entry."""

    def begin(self, intake_id: int) -> int:
        """Mark `applying`; returns the attempt's number, from 1."""

    def finish(self, intake_id: int, outcome: FileOutcome) -> None:
        """Record `applied`, or `refused` where the outcome has an error, with its counts."""

    def mark(self, intake_id: int, status: FileStatus) -> None:
        """Set a status alone, e.g. `dead` after repeated crashes."""

    def wait_for(self, intake_file: IntakeFile, references: Mapping[int, str]) -> None:
        """Remember quarantined rows (row number -> id they wait for); replaces earlier ones."""

    def waiting(
        self, kind: Kind, program: str, reference_ids: Sequence[str]
    ) -> Mapping[int, Sequence[int]]:
        """Unreleased rows that wait for one of these ids: intake id -> row numbers."""

    def released(self, rows: Mapping[int, Sequence[int]], released_to: int) -> None:
        """Record that these rows were taken up again by the file `released_to`."""


class DepositLedger(Protocol):
    """Deposits into accounts, and the sums that prove them."""

    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> None:
        """Credit valid rows once each, in committed chunks; safe to kill and run again.

        Columns: row_number i64, deposit_id str, user_id str, currency str, amount_minor i64,
        occurred_at datetime[us, UTC]. The first row in file order wins a deposit id.
        """

    def outcome(self, intake_file: IntakeFile) -> pl.DataFrame:
        """What became of each staged row: row_number i64, outcome str, ledger_seq i64 or null.

        Raises StagingLostError where the staged rows are not complete any more.

        outcome: `accepted` (this very row was credited), `duplicate` (same content, credited by
        another row), `conflicting_duplicate`. In row order. Call after `credit`, before
        `forget_staged`.
        """

    def forget_staged(self, intake_file: IntakeFile) -> None:
        """Drop the file's staged rows."""

    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        """Take back every deposit the file credited, whatever that does to the balances.

        Totals by currency of what is taken back of this file: repeating posts nothing more and
        answers the same.
        """

    def accounts(self) -> Iterator[pl.DataFrame]:
        """All accounts in chunks, one snapshot.

        Columns: program, user_id, currency, available_minor, held_minor, ledger_seq.
        """

    def account(self, program: str, user_id: str, currency: str) -> Account | None:
        """One account, or None."""

    def posting_totals(self) -> Iterator[pl.DataFrame]:
        """The second road, from postings alone, in chunks.

        Columns: the fields of AccountTotals, and open_holds_minor from the holds themselves.
        """

    def account_totals(self, program: str, user_id: str, currency: str) -> AccountTotals:
        """The same for one account."""


class TransactionLog(Protocol):
    """Every decision and movement, read out by business date."""

    def export(self, business_date: date, target: Path) -> DayExport:
        """Write the whole day, in one snapshot, to one Parquet file.

        Columns are those of `cardops.contracts.transaction_log.COLUMNS`.
        """

    def record_export(self, business_date: date, export: DayExport) -> None:
        """Remember what was exported; `is_closed` days are reconciled as final."""

    def busy_dates(self) -> Sequence[date]:
        """UTC dates with a decision, deposit or movement, in order."""


class DayExport(Protocol):
    """What one export wrote. `is_closed`: every transaction open at the day's end has ended.

    `watermark` is opaque: by it the day's next export tells whether those have ended.
    """

    row_count: int
    watermark: str | None
    is_closed: bool
    content_sha256: str
    exported_at: datetime


class Books(Protocol):
    """What reconciliation reads of the store: every account by two roads, in one snapshot."""

    def accounts(self, business_date: date) -> Iterator[pl.DataFrame]:
        """Each account as it stood at the end of the business date, in chunks.

        Columns are those of `cardops.contracts.reconciliation.BOOKS_COLUMNS`: the materialised
        balances (less what was dated later), and the sums of its postings and open holds. An
        account that only one road knows has zeros on the other. `ledger_seq` is the account's at
        the snapshot: what has a later one was written after it. Live traffic makes no break.
        """

    def deposit_files(self, business_date: date) -> pl.DataFrame:
        """Applied deposit files up to that date, by currency: what each says, what was posted."""

    def dates_to_export(self, business_date: date) -> Sequence[date]:
        """Dates up to that one on which something happened and whose log is not final yet."""


class Publication(Protocol):
    """What one publication made available to analysts."""

    @property
    def path(self) -> Path:
        """The file of views."""

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The rows of each mart."""


class Warehouse(Protocol):
    """The DuckDB file that dbt builds from the lake, and what is published of it."""

    @property
    def target_path(self) -> Path:
        """Where dbt leaves what it compiled and its results."""

    @property
    def reports(self) -> Path:
        """The folder of the daily reports."""

    def building(self, lake: Lake) -> AbstractContextManager[Mapping[str, str]]:
        """Alone until the block ends; the environment that tells dbt what to build."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The built marts, read-only, while nobody builds. Raises NothingBuiltError."""

    def publish(self) -> Publication:
        """Every mart as Parquet, and the file of views swapped to it in one step."""


class DeliveryLedger(Protocol):
    """Chargeback files made, and where each stands on its way to its card company."""

    def allot(self, batch_id: str, network: str, *, destination: str) -> tuple[int, int]:
        """(sequence, previous sequence or 0) of this batch's file; the same again on repeat."""

    def record_made(self, record: ChargebackFileRecord) -> None:
        """Freeze a file's name and hashes. Raises FrozenFileError where they differ on repeat."""

    def files_of(self, batch_id: str) -> Sequence[ChargebackFileRecord]:
        """The batch's files by network."""

    def find(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        """One file's record, or None where the network has no rows in the batch."""

    def record(self, record: ChargebackFileRecord) -> None:
        """Store its state, remote path, attempts and last error."""

    def all(self, states: Sequence[str] | None = None) -> Sequence[ChargebackFileRecord]:
        """Records of every batch, newest first."""

    def exclusively(
        self, batch_id: str, network: str
    ) -> AbstractContextManager[ChargebackFileRecord | None]:
        """Hold the file alone until the block ends (other holders wait); its fresh record."""


class FileDelivery(Protocol):
    """One session with one card company's server; `cardops.rules.delivery_recipe` says what comes next.

    Every method raises TransientDeliveryError (worth another try) or PermanentDeliveryError.
    """

    def stat(self, path: str) -> RemoteStat | None:
        """The file, or None where there is none."""

    def write(self, path: str, content: BinaryIO) -> None:
        """Write the whole file, over any earlier one; it may be partial even if this returns."""

    def read_sha256(self, path: str) -> str | None:
        """Hash of what the server holds, or None where reading is forbidden."""

    def rename(self, source: str, target: str) -> None:
        """Move without overwriting."""

    def remove(self, path: str) -> None:
        """Remove a temporary file; a missing one is no error."""

    def close(self) -> None:
        """End the session; never raises."""


class Destinations(Protocol):
    """Opens sessions: one new client for each file."""

    def connect(self, destination: str) -> FileDelivery:
        """Raises as FileDelivery does; PermanentDeliveryError where it is not configured."""

    def folder(self, destination: str) -> str:
        """The remote folder in which its files are placed."""

    def neutralises_formulas(self, destination: str) -> bool:
        """Whether texts that a spreadsheet would run are made harmless; so unless it says not."""


class Notifier(Protocol):
    """Tells operators; never raises into the work that it tells of."""

    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        """One alarm, with the runbook that says what to do."""


class SecretStore(Protocol):
    """Named secrets, each a JSON object."""

    def get(self, name: str) -> Mapping[str, object] | None:
        """The secret, or None. Raises SecretUnreadableError."""

    def put(self, name: str, value: Mapping[str, object]) -> None:
        """Create or replace it."""


class Programs(Protocol):
    """Card programs and their partners' keys (synchronous: commands and sensors)."""

    def create(self, program: Program) -> bool:
        """True where it was new; an existing one is left as it is."""

    def find(self, program: str) -> Program | None:
        """The program with its callback hosts, or None."""

    def all(self) -> Sequence[Program]:
        """By name."""

    def create_key(
        self, program: str, name: str, scopes: Sequence[str], *, is_test: bool
    ) -> NewKey:
        """A new key; the secret part is in the result and nowhere else, ever again."""

    def keys(self, program: str | None = None) -> Sequence[ApiKey]:
        """Keys, revoked ones included."""

    def revoke_key(self, key_id: str) -> bool:
        """False where there is no such key; revoking twice keeps the first instant."""

    def set_blocked(self, program: str, user_id: str, *, is_blocked: bool) -> None:
        """Block or unblock a user's spending."""


class Authorizations(Protocol):
    """Decides spending, in batches, each batch one durable commit."""

    async def decide(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in order. A failing member does not fail its neighbours.

        Where nothing could be committed in time the answer is `undecided`: never a guess.
        """

    async def move(self, move: Move) -> MoveAnswer:
        """Capture, void, refund or increment; sticky by its key. Raises StoreUnavailableError."""

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state, or None (also: another program's)."""

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency; empty where unknown."""

    async def expire_holds(self, at: datetime, limit: int) -> int:
        """End holds past their time; how many."""


class Access(Protocol):
    """Who a key belongs to (asynchronous: the authorizer)."""

    async def find_caller(self, key_id: str) -> Caller | None:
        """The live key with its program; None where unknown or revoked."""

    async def is_ready(self) -> bool:
        """Whether the store answers."""


class CallbackOutbox(Protocol):
    """Callbacks owed, taken by one worker at a time each."""

    async def take_due(self, at: datetime, limit: int, lease_seconds: float) -> list[Callback]:
        """Due callbacks, leased so that no other worker takes them meanwhile."""

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """What became of each attempt."""

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""

    async def replay(self, program: str | None, callback_id: str) -> bool:
        """Owe it again, now; False where unknown (also: another program's)."""
