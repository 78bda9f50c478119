"""What became of each staged row of a deposit file.

Belongs here: outcomes, from what a run credited and what is stored. Crediting is in crediting.py.
"""

from typing import Final

import polars as pl
import psycopg

from cardops.adapters.postgresql.accounts.crediting import CONTENT_HASH, integers
from cardops.adapters.postgresql.accounts.staging import Stage
from cardops.rules.intake.files import FileStatus, StagingLostError

OUTCOME: Final = pl.Schema(
    {"row_number": pl.Int64(), "outcome": pl.String(), "ledger_seq": pl.Int64()}
)

# The rows that this file credited, and the others. Recalls are looked up one by one (`lateral` with a
# limit): to hash them would read those of all years.
_OWN: Final = """
own as materialized (
    select e.row_number, e.ledger_seq
    from deposit_events as e
    left join lateral (
        select true as is_there from deposit_recalls as r
        where r.program = e.program and r.deposit_id = e.deposit_id
        limit 1
    ) as recalled on true
    where {own_events} and recalled.is_there is null
),
others as materialized (
    select s.* from {stage} as s
    where not exists (select from own where own.row_number = s.row_number)
)
"""
_NAMED: Final = """
others as materialized (
    select s.* from {stage} as s where s.row_number = any(%(row_numbers)s)
)
"""
_CREDITED: Final = """
credited as (
    select s.row_number, s.refusal,
        r.deposit_id is not null as is_recalled,
        coalesce(i.intake_id, e.intake_id) = {intake_id}
            and coalesce(i.row_number, e.row_number) = {file_row} as is_own,
        coalesce(i.content_hash, e.content_hash) = {content_hash} as is_same,
        coalesce(i.ledger_seq, e.ledger_seq) as ledger_seq
    from others as s
    join deposit_events as e on e.program = {program} and e.deposit_id = s.deposit_id
    left join (
        select distinct on (deposit_id)
            deposit_id, credit_number, intake_id, row_number, content_hash, ledger_seq
        from deposit_reinstatements
        where program = {program} and deposit_id in (select deposit_id from others)
        order by deposit_id, credit_number desc
    ) as i on i.deposit_id = s.deposit_id
    left join deposit_recalls as r
        on r.program = {program} and r.deposit_id = s.deposit_id
        and r.credit_number = coalesce(i.credit_number, 1)
)
"""
_OF_OWN: Final = """
select own.row_number, 'accepted' as outcome, own.ledger_seq
from own join {stage} as s on s.row_number = own.row_number
union all
"""
# A deposit's latest credit decides. A row without any event was refused, or was not posted: then the
# query returns fewer rows than were staged.
_OF_OTHERS: Final = """
select row_number,
    case
        when refusal is not null then refusal
        when is_recalled then 'recalled_before'
        when is_own then 'accepted'
        when is_same then 'duplicate'
        else 'conflicting_duplicate'
    end as outcome,
    case when is_own and not is_recalled then ledger_seq end as ledger_seq
from credited
union all
select s.row_number, f.refusal, null
from others as s
join (select deposit_id, refusal from others where refusal is not null) as f using (deposit_id)
where not exists (
    select from deposit_events as e where e.program = {program} and e.deposit_id = s.deposit_id
)
"""

# Several rows per message: one message each would cost more than everything else of the outcome.
_AS_LINES: Final = """
select string_agg(
    row_number || ',' || outcome || ',' || coalesce(ledger_seq::text, ''), chr(10)
)
from (with {rows}, {credited} {own} {others}) as o group by row_number / 1000
"""


def outcome_of_stage(
    session: psycopg.Connection, stage: Stage, credited: pl.DataFrame | None
) -> pl.DataFrame:
    """The outcome of each staged row; only others than the `credited` ones are looked up.

    Raises StagingLostError where rows are missing.
    """
    row_count = stage.check_complete(session)
    if credited is None or credited.height < row_count / 2 or _is_recalled(session, stage):
        outcomes = _looked_up(session, stage, None)
    else:
        outcomes = _accepted(credited)
        if credited.height < row_count:
            others = _row_numbers(session, stage).join(credited, on="row_number", how="anti")
            more = _looked_up(session, stage, others["row_number"].to_list())
            outcomes = pl.concat([outcomes, more])
    if outcomes.height != row_count:
        raise StagingLostError(stage.intake_id)
    return outcomes.sort("row_number")


def _accepted(credited: pl.DataFrame) -> pl.DataFrame:
    return credited.select("row_number", pl.lit("accepted").alias("outcome"), "ledger_seq")


def _row_numbers(session: psycopg.Connection, stage: Stage) -> pl.DataFrame:
    query = stage.sql("select string_agg(int8send(row_number), '') from {stage}")
    row = session.execute(query, binary=True).fetchone()
    return pl.DataFrame({"row_number": integers(row[0] if row else None)})


def _is_recalled(session: psycopg.Connection, stage: Stage) -> bool:
    """Whether the file was recalled by somebody else after its last chunk."""
    row = session.execute(
        "select status from intake_files where intake_id = %s", [stage.intake_id]
    ).fetchone()
    return row is not None and row[0] == FileStatus.RECALLED


def _looked_up(
    session: psycopg.Connection, stage: Stage, row_numbers: list[int] | None
) -> pl.DataFrame:
    """Outcomes of these rows, which others credited or nobody, or of all."""
    query = stage.sql(
        _AS_LINES,
        rows=stage.sql(_OWN if row_numbers is None else _NAMED, own_events=stage.origin.own_events),
        credited=stage.sql(_CREDITED, content_hash=CONTENT_HASH),
        own=stage.sql(_OF_OWN if row_numbers is None else ""),
        others=stage.sql(_OF_OTHERS),
    )
    lines = session.execute(query, {"row_numbers": row_numbers}).fetchall()
    text = "\n".join(row[0] for row in lines).encode()
    return pl.read_csv(text, has_header=False, schema=OUTCOME) if text else OUTCOME.to_frame()
