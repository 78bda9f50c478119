"""KnownRows on PostgreSQL: a B-tree by kind, program and id.

Belongs here: the statements. What an entry holds is in cardops.contracts.judging.known_rows.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, LiteralString

import polars as pl
import psycopg

from cardops.adapters.postgresql.advisory_locks import advisory_lock, locked_session
from cardops.adapters.postgresql.transactions import run_in_transaction, transaction_runner
from cardops.contracts.judging.known_rows import DIGEST, ENTRY
from cardops.ports import EarlierRows, JudgingTurn
from cardops.ports.known_rows import BEFORE_TURNS
from cardops.rules.intake.files import IntakeFile, Kind

# Ids looked up by one statement.
IDS_A_QUERY: Final = 10_000
_FOUND: Final = pl.Schema(
    {name: ENTRY[name] for name in ("lookup_id", "intake_id", "row_number", DIGEST, "row_values")}
)
_PLACES: LiteralString = (
    "select intake_id, judged_order, is_in_lake from known_files where intake_id = any(%s)"
)
_COPY: LiteralString = (
    "copy known_rows (kind, program, lookup_id, intake_id, row_number, content_digest, row_values)"
    " from stdin (format csv)"
)


@dataclass(frozen=True)
class PostgresKnownRows:
    """Implements cardops.ports.KnownRows. Holds no session between calls."""

    url: str
    _complete: set[tuple[Kind, str]] = field(default_factory=set)

    @contextmanager
    def turn(self, intake_file: IntakeFile, *others: IntakeFile) -> Iterator[JudgingTurn]:
        """Wait for the file's turn to be judged, together with others that never were."""
        arrival = intake_file.arrival
        name = f"judging/{arrival.kind}/{arrival.program}"
        with locked_session(self.url, name) as session:
            own = [intake_file.intake_id, *(other.intake_id for other in others)]
            yield _Turn(session, intake_file, own)

    def mark_in_lake(self, *intake_ids: int) -> None:
        """The files' rows are in the lake: they serve as references from now on."""
        run_in_transaction(
            self.url,
            lambda session: session.execute(
                "update known_files set is_in_lake = true where intake_id = any(%s)",
                [list(intake_ids)],
            ),
        )

    def judged(self, intake_ids: Collection[int]) -> set[int]:
        """Those of these files that have a place in the order of judging."""
        return run_in_transaction(self.url, lambda session: set(_places(session, intake_ids)))

    def forget(self, *intake_ids: int) -> None:
        """Delete the files' rows and their places in the order of judging."""
        run_in_transaction(self.url, partial(_forget, intake_ids=list(intake_ids)))

    def find(self, kind: Kind, program: str, lookup_ids: Sequence[str]) -> pl.DataFrame:
        """Rows under these ids that are in the lake."""
        return run_in_transaction(self.url, partial(_find, scope=(kind, program), ids=lookup_ids))

    def row_counts(self, intake_ids: Collection[int]) -> Mapping[int, int]:
        """Rows of each file; files without any are absent."""
        query: LiteralString = (
            "select intake_id, count(*) from known_rows where intake_id = any(%s)"
            " group by intake_id"
        )
        return dict(self._rows(query, list(intake_ids)))

    def kinds(self) -> Sequence[Kind]:
        """The kinds whose rows are in the index."""
        query: LiteralString = "select kind from known_row_builds order by kind"
        return [Kind(kind) for (kind,) in self._rows(query)]

    def is_complete(self, kind: Kind, layout: str) -> bool:
        """Whether every row in the lake is known under this layout."""
        if (kind, layout) not in self._complete:
            query: LiteralString = "select layout from known_row_builds where kind = %s"
            self._complete.update((kind, name) for (name,) in self._rows(query, kind))
        return (kind, layout) in self._complete

    def building(self, kind: Kind) -> AbstractContextManager[None]:
        """One builder at a time."""
        return advisory_lock(self.url, f"known-rows/{kind}")

    def recorded(self, intake_ids: Collection[int], layout: str) -> set[int]:
        """Those of these files whose rows are known under this layout."""
        query: LiteralString = (
            "select intake_id from known_files where intake_id = any(%s) and layout = %s"
        )
        return {intake_id for (intake_id,) in self._rows(query, list(intake_ids), layout)}

    def record_from_lake(
        self, kind: Kind, programs: Mapping[int, str], rows: Iterable[pl.DataFrame], layout: str
    ) -> None:
        """Replace the rows of these files (intake id -> program) with those in the lake."""

        def record(session: psycopg.Connection) -> None:
            session.execute(
                "insert into known_files"
                " (intake_id, kind, program, judged_order, layout, is_in_lake)"
                " select intake_id, %s, program, intake_id + %s, %s, true"
                " from unnest(%s::bigint[], %s::text[]) as files (intake_id, program)"
                " on conflict (intake_id) do update set layout = excluded.layout, is_in_lake = true",
                [kind, BEFORE_TURNS, layout, list(programs), list(programs.values())],
            )
            _replace_rows(session, programs, rows)

        with transaction_runner(self.url) as runner:
            runner.run_unretried(record)  # the rows can be read only once

    def complete(self, kind: Kind, layout: str) -> None:
        """Every row of the lake is recorded."""
        run_in_transaction(
            self.url,
            lambda session: session.execute(
                "insert into known_row_builds (kind, layout) values (%s, %s)"
                " on conflict (kind) do update set layout = excluded.layout, completed_at = now()",
                [kind, layout],
            ),
        )

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self.url, lambda session: session.execute(query, values).fetchall()
        )


@dataclass(frozen=True)
class _Turn:
    session: psycopg.Connection
    intake_file: IntakeFile
    own_ids: Sequence[int]

    def earlier(self, lookup_ids: Sequence[str]) -> EarlierRows:
        """Rows under these ids of files that were judged before this one."""
        own, arrival = self.intake_file.intake_id, self.intake_file.arrival
        rows = _rows_of(self.session, arrival.kind, arrival.program, lookup_ids)
        places = _places(self.session, {*rows["intake_id"], own})
        own_order = places[own][0] if own in places else None
        before = {
            intake_id: (order, is_in_lake)
            for intake_id, (order, is_in_lake) in places.items()
            if intake_id != own and (own_order is None or order < own_order)
        }
        orders = {intake_id: order for intake_id, (order, _) in before.items()}
        waits = (intake_id for intake_id, (_, is_in_lake) in before.items() if not is_in_lake)
        not_in_lake = tuple(sorted(waits, key=orders.__getitem__))
        if own_order is None:
            return EarlierRows(_placed(rows, orders), not_in_lake)
        later = {
            intake_id: order
            for intake_id, (order, is_in_lake) in places.items()
            if order > own_order and is_in_lake
        }
        own_rows = _placed(rows, {own: own_order})
        return EarlierRows(_placed(rows, orders), not_in_lake, _placed(rows, later), own_rows)

    def record(self, rows: Iterable[pl.DataFrame], layout: str) -> None:
        """Replace the files' rows, in one commit."""
        arrival = self.intake_file.arrival
        with self.session.transaction():
            self.session.execute(
                "insert into known_files"
                " (intake_id, kind, program, judged_order, layout, is_in_lake)"
                " select own.intake_id, %(kind)s, %(program)s, latest.judged_order + own.place,"
                " %(layout)s, false"
                " from unnest(%(ids)s::bigint[]) with ordinality as own (intake_id, place)"
                " cross join (select greatest(coalesce(max(judged_order), 0), 0) as judged_order"
                " from known_files where kind = %(kind)s and program = %(program)s) as latest"
                " on conflict (intake_id) do update"
                " set layout = excluded.layout, is_in_lake = false",
                {
                    "ids": list(self.own_ids),
                    "kind": arrival.kind,
                    "program": arrival.program,
                    "layout": layout,
                },
            )
            _replace_rows(self.session, self.own_ids, rows)


def _placed(rows: pl.DataFrame, orders: Mapping[int, int]) -> pl.DataFrame:
    """The rows of these files, each with its file's place in the order of judging."""
    own = rows.filter(pl.col("intake_id").is_in(list(orders)))
    return own.with_columns(pl.col("intake_id").replace_strict(orders, return_dtype=pl.Int64))


def _forget(session: psycopg.Connection, intake_ids: list[int]) -> None:
    session.execute("delete from known_rows where intake_id = any(%s)", [intake_ids])
    session.execute("delete from known_files where intake_id = any(%s)", [intake_ids])


def _replace_rows(
    session: psycopg.Connection, intake_ids: Collection[int], rows: Iterable[pl.DataFrame]
) -> None:
    session.execute("delete from known_rows where intake_id = any(%s)", [list(intake_ids)])
    with session.cursor().copy(_COPY) as copy:
        for frame in rows:
            copy.write(frame.select(ENTRY.names()).write_csv(include_header=False))


def _find(session: psycopg.Connection, scope: tuple[Kind, str], ids: Sequence[str]) -> pl.DataFrame:
    rows = _rows_of(session, *scope, ids)
    places = _places(session, set(rows["intake_id"]))
    in_lake = [intake_id for intake_id, (_, is_in_lake) in places.items() if is_in_lake]
    return rows.filter(pl.col("intake_id").is_in(in_lake))


def _rows_of(
    session: psycopg.Connection, kind: Kind, program: str, lookup_ids: Sequence[str]
) -> pl.DataFrame:
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(lookup_ids), IDS_A_QUERY):
        found += session.execute(
            "select lookup_id, intake_id, row_number, replace(content_digest::text, '-', ''),"
            " row_values from known_rows"
            " where kind = %s and program = %s and lookup_id = any(%s)",
            [kind, program, list(lookup_ids[start : start + IDS_A_QUERY])],
        ).fetchall()
    return pl.DataFrame(found, schema=_FOUND, orient="row")


def _places(
    session: psycopg.Connection, intake_ids: Collection[int]
) -> dict[int, tuple[int, bool]]:
    """Intake id -> place in the order of judging, and whether the rows are in the lake."""
    rows = session.execute(_PLACES, [list(intake_ids)]).fetchall()
    return {intake_id: (order, is_in_lake) for intake_id, order, is_in_lake in rows}
