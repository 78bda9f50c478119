"""DeliveryLedger on PostgreSQL: the chargeback files and the state of each delivery."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    FileNotMadeError,
    FrozenFileError,
    GivenWord,
    OperatorWord,
)

_SELECT: LiteralString = (
    "select batch_id, network, program, destination, sequence, file_name, row_count, totals,"
    " content_sha256, control_sha256, evidence_sha256, state, remote_path, attempt_count, last_error,"
    " encrypted_sha256, encrypted_control_sha256, encrypted_evidence_sha256, encrypted_for, counts_on,"
    " made_at, delivered_at, missed_cut_off_on"
    " from deliveries "
)
# The columns of _SELECT, in its order, as the record names them.
_FIELDS: Final = (
    "batch_id",
    "network",
    "program",
    "destination",
    "sequence",
    "file_name",
    "row_count",
    "totals_minor",
    "content_sha256",
    "control_sha256",
    "evidence_sha256",
    "state",
    "remote_path",
    "attempt_count",
    "last_error",
    "encrypted_sha256",
    "encrypted_control_sha256",
    "encrypted_evidence_sha256",
    "encrypted_for",
    "counts_on",
    "made_at",
    "delivered_at",
    "missed_cut_off_on",
)
_INSERT: LiteralString = (
    "insert into deliveries (batch_id, network, program, destination, sequence, file_name,"
    " row_count, totals, content_sha256, control_sha256, evidence_sha256)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (batch_id, network) do nothing"
)
_UPDATE: LiteralString = (
    "update deliveries set state = %(state)s, remote_path = %(remote_path)s,"
    " attempt_count = %(attempt_count)s, last_error = %(last_error)s,"
    " encrypted_sha256 = %(encrypted_sha256)s, encrypted_for = %(encrypted_for)s,"
    " encrypted_control_sha256 = %(encrypted_control_sha256)s,"
    " encrypted_evidence_sha256 = %(encrypted_evidence_sha256)s, counts_on = %(counts_on)s,"
    " delivered_at = case when %(is_delivered)s then coalesce(delivered_at, now()) end"
    " where batch_id = %(batch_id)s and network = %(network)s"
)
_MISS_CUT_OFF: LiteralString = (
    "update deliveries set missed_cut_off_on = %(cut_off)s"
    " where batch_id = %(batch_id)s and network = %(network)s"
)

_ADD_WORD: LiteralString = (
    "insert into delivery_words (batch_id, network, word, said_by) values (%s, %s, %s, %s)"
)
_WORDS: LiteralString = (
    "select word, said_by, said_at from delivery_words where batch_id = %s and network = %s"
    " order by word_id"
)


class PostgresDeliveryLedger:
    """Implements cardops.ports.DeliveryLedger. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def allot(self, batch_id: str, network: str, *, destination: str) -> tuple[int, int]:
        """(sequence, previous sequence or 0) of the batch's file; equal on repeat."""
        return run_in_transaction(self._url, lambda s: _allot(s, batch_id, network, destination))

    def record_made(self, record: ChargebackFileRecord) -> None:
        """Store a file's name and hashes for good. Raises FrozenFileError where they differ."""
        run_in_transaction(self._url, lambda session: _freeze(session, record))

    def files_of(self, batch_id: str) -> Sequence[ChargebackFileRecord]:
        """The batch's files by network."""
        return self._records("where batch_id = %s order by network", batch_id)

    def find(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        """A file's record, or None where the network has no rows in the batch."""
        return next(
            iter(self._records("where batch_id = %s and network = %s", batch_id, network)), None
        )

    def record(self, record: ChargebackFileRecord) -> None:
        """Store the file's state, remote path, attempts and last error. Raises FileNotMadeError."""
        values = {
            "batch_id": record.batch_id,
            "network": record.network,
            "state": record.state.value,
            "remote_path": record.remote_path,
            "attempt_count": record.attempt_count,
            "last_error": record.last_error,
            "encrypted_sha256": record.encrypted_sha256,
            "encrypted_control_sha256": record.encrypted_control_sha256,
            "encrypted_evidence_sha256": record.encrypted_evidence_sha256,
            "encrypted_for": record.encrypted_for,
            "counts_on": record.counts_on,
            "is_delivered": record.state is DeliveryState.DELIVERED,
        }
        if not run_in_transaction(
            self._url, lambda session: session.execute(_UPDATE, values).rowcount
        ):
            raise FileNotMadeError(record.batch_id, record.network)

    def all(
        self, states: Sequence[str] | None = None, newest: int | None = None
    ) -> Sequence[ChargebackFileRecord]:
        """Records of every batch, newest first; at most so many."""
        return self._records(
            "where %s::text[] is null or state = any(%s::text[])"
            " order by made_at desc, batch_id desc, network limit %s",
            *(None if states is None else list(states),) * 2,
            newest,
        )

    def miss_cut_off(self, record: ChargebackFileRecord, cut_off_on: date) -> None:
        """Record that the file was not there by that day's cut-off."""
        values = {
            "batch_id": record.batch_id,
            "network": record.network,
            "cut_off": cut_off_on,
        }
        run_in_transaction(self._url, lambda session: session.execute(_MISS_CUT_OFF, values))

    def record_word(
        self, batch_id: str, network: str, word: OperatorWord | None, said_by: str
    ) -> None:
        """Record for good that this person had the file delivered once more."""
        values = [batch_id, network, word.value if word else "retry", said_by]
        run_in_transaction(self._url, lambda session: session.execute(_ADD_WORD, values))

    def words_of(self, batch_id: str, network: str) -> Sequence[GivenWord]:
        """Every such word about the file, in order."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_WORDS, [batch_id, network]).fetchall()
        )
        return [GivenWord(*row) for row in rows]

    @contextmanager
    def exclusively(self, batch_id: str, network: str) -> Iterator[ChargebackFileRecord | None]:
        """Lock the file until the block ends (others wait for it); its fresh record."""
        with advisory_lock(self._url, f"delivery/{batch_id}/{network}"):
            yield self.find(batch_id, network)

    def _records(self, where: LiteralString, *values: object) -> list[ChargebackFileRecord]:
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_SELECT + where, values).fetchall()
        )
        return [_record_of(row) for row in rows]


def _allot(
    session: psycopg.Connection, batch_id: str, network: str, destination: str
) -> tuple[int, int]:
    session.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sequences/{destination}"]
    )
    session.execute(
        "insert into delivery_sequences (batch_id, network, destination, sequence)"
        " select %(batch)s, %(network)s, %(destination)s, coalesce(max(sequence), 0) + 1"
        " from delivery_sequences where destination = %(destination)s"
        " on conflict (batch_id, network) do nothing",
        {"batch": batch_id, "network": network, "destination": destination},
    )
    row = session.execute(
        "select own.sequence, coalesce(("
        "select max(earlier.sequence) from delivery_sequences as earlier"
        " where earlier.destination = own.destination and earlier.sequence < own.sequence), 0)"
        " from delivery_sequences as own where own.batch_id = %s and own.network = %s",
        [batch_id, network],
    ).fetchone()
    if row is None:
        raise FileNotMadeError(batch_id, network)
    return int(row[0]), int(row[1])


def _freeze(session: psycopg.Connection, record: ChargebackFileRecord) -> None:
    values = [Jsonb(value) if isinstance(value, dict) else value for value in _frozen(record)]
    session.execute(_INSERT, values)
    row = session.execute(
        _SELECT + "where batch_id = %s and network = %s", [record.batch_id, record.network]
    ).fetchone()
    if row is None or _frozen(_record_of(row)) != _frozen(record):
        raise FrozenFileError(record.file_name)


def _frozen(record: ChargebackFileRecord) -> tuple[Any, ...]:
    return (
        record.batch_id,
        record.network,
        record.program,
        record.destination,
        record.sequence,
        record.file_name,
        record.row_count,
        dict(record.totals_minor),
        record.content_sha256,
        record.control_sha256,
        record.evidence_sha256,
    )


def _record_of(row: tuple[Any, ...]) -> ChargebackFileRecord:
    values = dict(zip(_FIELDS, row, strict=True))
    return ChargebackFileRecord(**values | {"state": DeliveryState(values["state"])})
