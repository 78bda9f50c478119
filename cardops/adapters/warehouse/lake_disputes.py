"""Disputes by their last step, read from the lake's Parquet with DuckDB.

Belongs here: the order of a dispute's steps and its openings, as dbt's int_disputes_current has them.
Does not belong here: who works on a dispute, and the order of the queue (cardops.services.disputes).
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import polars as pl
from typing_extensions import override

from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from cardops.contracts.lake.disputes import OPEN_DISPUTES
from cardops.contracts.lake.tables import empty_frame
from cardops.ports import Disputes, Lake
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import DisputeStep, Opening

MEMORY_LIMIT: Final = "1GB"
# View -> the lake's table of which it has all rows.
_VIEWS: Final = {"steps": "chargebacks", "supplements": "chargeback_supplements"}
_ENDS: Final = "('won', 'lost', 'accepted', 'expired')"
_IS_ENDED: Final = (
    f"coalesce(stage in {_ENDS} or status in {_ENDS} or status in ('prevented', 'resolved'), false)"
)
# Rows of older files have the feed's date alone, and do not say when their step happened.
_ROWS: Final = f"""
rows as (
    select
        * replace (
            case when not is_ended then coalesce(reply_by_on, reply_by_date) end as reply_by_on,
            case
                when is_ended then null
                when reply_by_on is null and reply_by_date is not null then 'feed'
                else clock
            end as clock,
            coalesce(clock_from, dispute_date) as clock_from,
            coalesce(
                response_days, case when clock in ('processor', 'published') then reply_by_on - clock_from end
            ) as response_days,
            coalesce(
                response_days_source, case when clock in ('processor', 'published') then clock end
            ) as response_days_source
        ),
        coalesce(
            activity_date,
            timezone(
                'UTC',
                cast(
                    coalesce(case when is_ended then resolution_date end, dispute_date)
                    as timestamp
                )
            )
        ) as stated_at
    from (select *, {_IS_ENDED} as is_ended from steps where $case is null or case_number = $case)
)
"""  # noqa: S608 - only our own text
# The steps of the disputes in `chosen`, with the number of the opening that each belongs to.
_OPENINGS: Final = """
placed as (
    select
        *,
        coalesce(
            happened_at,
            activity_date,
            max(stated_at) over (
                partition by program, network, case_number
                order by intake_id, row_number
                rows between unbounded preceding and current row
            )
        ) as placed_at
    from chosen
),

begun as (
    select
        *,
        coalesce(lag(is_ended) over steps_before or lag(stage) over steps_before != stage, true)
            as begins,
        min(dispute_date) over (partition by program, network, case_number) as opened_on,
        row_number() over (
            partition by program, network, case_number
            order by placed_at desc, intake_id desc, row_number desc
        ) as recency
    from placed
    window steps_before as (
        partition by program, network, case_number order by placed_at, intake_id, row_number
    )
),

opened as (
    select
        *,
        count(*) filter (where begins) over (
            partition by program, network, case_number, stage
            order by placed_at, intake_id, row_number
        ) as opening_number,
        count(*) filter (where begins) over steps_so_far as opening_place
    from begun
    window steps_so_far as (
        partition by program, network, case_number order by placed_at, intake_id, row_number
    )
),

-- A step's clock is that of the steps before it, whichever of them were reported later.
clocked as (
    select
        *,
        first_value(
            case
                when opening_place = 1 then dispute_date
                when activity_date is not null then cast(activity_date as date)
                else greatest(clock_from, cast(placed_at as date))
            end
        ) over steps_of_opening as runs_from,
        last_value(reply_by_date ignore nulls) over steps_of_opening as fed_on
    from opened
    window steps_of_opening as (
        partition by program, network, case_number, opening_place
        order by placed_at, intake_id, row_number
        rows between unbounded preceding and current row
    )
),

numbered as (
    select
        * replace (
            case
                when is_ended then null
                when fed_on is not null then fed_on
                when response_days_source is null then reply_by_on
                else runs_from + cast(response_days as integer)
            end as reply_by_on,
            case
                when is_ended then null
                when fed_on is not null then 'feed'
                when response_days_source is null then clock
                else nullif(response_days_source, 'nobody')
            end as clock
        )
    from clocked
)
"""
# Most disputes have one step, whose opening is its first: only the others are put in order.
_OPEN: Final = f"""
with {_ROWS},

known as (
    select program, network, case_number, count(*) as step_count
    from rows
    group by program, network, case_number
    having bool_or(not is_ended)
),

chosen as (
    select rows.* from rows inner join known using (program, network, case_number)
    where known.step_count > 1
),

{_OPENINGS},

singles as (
    select rows.*, rows.dispute_date as opened_on, 1 as opening_number
    from rows inner join known using (program, network, case_number)
    where known.step_count = 1
),

final as (
    select {", ".join(OPEN_DISPUTES)} from numbered where recency = 1 and not is_ended
    union all by name
    select {", ".join(OPEN_DISPUTES)} from singles
)

select * from final
"""  # noqa: S608 - only our own text
_STEP_COLUMNS: Final = (
    "program, network, case_number, stage, opening_number, action_sequence, status, is_ended,"
    " placed_at, dispute_date, reply_by_on, clock, dispute_amount_minor, dispute_currency,"
    " settlement_amount_minor, settlement_currency, fee_amount_minor, fee_currency, reason_code,"
    " transaction_id, merchant_name, batch_id, source_file, intake_id, row_number, flags"
)
_STEPS: Final = f"""
with {_ROWS},

chosen as (select * from rows),

{_OPENINGS}

select {_STEP_COLUMNS}
from (
    select numbered.* replace (
        -- What is found when a batch is filed is kept beside its rows, which stay as they were judged.
        list_sort(list_distinct(list_concat(numbered.flags, filed.flags))) as flags
    )
    from numbered
    left join (
        select intake_id, row_number, flatten(list(flags)) as flags
        from supplements
        where len(flags) > 0
        group by intake_id, row_number
    ) as filed using (intake_id, row_number)
)
order by program, network, case_number, placed_at, intake_id, row_number
"""  # noqa: S608 - only our own text


class DuckDbDisputes(Disputes):
    """Queries the lake's `chargebacks` on a DuckDB connection of its own each time."""

    def __init__(
        self,
        lake: Lake,
        sessions: DuckDbSessions | None = None,
        *,
        memory_limit: str = MEMORY_LIMIT,
    ) -> None:
        self._lake = lake
        self._sessions = sessions or PlainDuckDbSessions()
        self._memory_limit = memory_limit

    @override
    def open_disputes(self) -> pl.DataFrame:
        with self._session("steps") as session:
            found = session.sql(_OPEN, params={"case": None}).to_arrow_table()
        frame = pl.DataFrame(found)
        return frame.select(pl.col(name).cast(kind) for name, kind in OPEN_DISPUTES.items())

    @override
    def version(self) -> str:
        found = hashlib.sha256()
        for path in self._files(_VIEWS["steps"]):
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return found.hexdigest()

    @override
    def steps(self, case_number: str) -> Sequence[DisputeStep]:
        with self._session("steps", "supplements") as session:
            rows = session.execute(_STEPS, {"case": case_number}).fetchall()
        return [_step(row) for row in rows]

    @contextmanager
    def _session(self, *views: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session with these views, whose rows have every column. Each opens all files of its table."""
        with TemporaryDirectory() as spill, self._sessions.in_memory() as session:
            session.execute(f"set memory_limit = '{self._memory_limit}'")
            session.execute(f"set temp_directory = '{spill}'")
            session.execute("set TimeZone = 'UTC'")
            session.execute("set preserve_insertion_order = false")
            for view in views:
                table = _VIEWS[view]
                # A file without rows that has every column: the lake may have no file, or only old ones.
                shape = Path(spill) / f"{table}.parquet"
                empty_frame(table).write_parquet(shape)
                paths = [str(shape), *map(str, self._files(table))]
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                session.execute(
                    f"create view {view} as select * from read_parquet("  # noqa: S608 - paths alone
                    f"[{listed}], union_by_name = true, hive_partitioning = false)"
                )
            yield session

    def _files(self, table: str) -> list[Path]:
        return sorted(self._lake.local_path(table).glob("*/*.parquet"))


def _step(row: tuple[Any, ...]) -> DisputeStep:
    """A row of _STEP_COLUMNS; the flags are its last column."""
    program, network, case_number, stage, opening_number, *facts, flags = row
    opening = Opening(DisputeKey(program, network, case_number), stage, opening_number)
    values = (opening, *facts, tuple(flags or ()))
    return DisputeStep(*values)
