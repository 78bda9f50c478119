"""Rows of chargeback files by what their card companies made of them, for the lake."""

from typing import Any, Final

from cardops.rules.deliveries.acknowledgements import AcknowledgedRows, Verdict

# A file with accepted and rejected rows is a row for each; one of which nothing was accepted has no
# row of accepted ones. Each delivery is looked up by its key, so that no plan reads all of them; columns
# of another collation than the key's would make that impossible.
SELECT_VERDICTS: Final = """
with read as (
    select
        d.program, d.batch_id, d.network, d.destination, d.file_name, d.sequence,
        coalesce(d.delivered_at, d.made_at) as delivered_at, a.read_at, a.is_late, a.reopened_to,
        a.accepted_count, a.rejected_count
    from acknowledgement_files as a
    cross join lateral (
        select * from deliveries as f
        where f.batch_id = a.batch_id and f.network = a.network
        limit 1
    ) as d
    where a.outcome = 'matched' and a.read_at >= %(first)s and a.read_at < %(end)s
),

rejected as (
    select r.batch_id, r.network, r.code, count(*) as row_count
    from acknowledgement_rejections as r
    inner join read
        on read.batch_id collate "C" = r.batch_id and read.network collate "C" = r.network
    group by r.batch_id, r.network, r.code
)

select
    program, batch_id, network, destination, file_name, sequence, 'accepted' as verdict,
    null as code, accepted_count as row_count, delivered_at, read_at, is_late, null as reopened_to
from read
where accepted_count > 0 or rejected_count = 0
union all
select
    read.program, read.batch_id, read.network, read.destination, read.file_name, read.sequence,
    'rejected', r.code, r.row_count, read.delivered_at, read.read_at, read.is_late,
    read.reopened_to
from read
inner join rejected as r on r.batch_id = read.batch_id and r.network = read.network
union all
select
    d.program, d.batch_id, d.network, d.destination, d.file_name, d.sequence, 'missing', null,
    d.row_count, coalesce(d.delivered_at, d.made_at), null, true, null
from missing_acknowledgements as m
cross join lateral (
    select * from deliveries as f
    where
        f.batch_id = m.batch_id collate "default" and f.network = m.network collate "default"
    limit 1
) as d
where
    m.answered_at >= %(end)s and m.alarmed_at < %(end)s
order by batch_id, network, verdict, code
"""


def verdict_of(row: tuple[Any, ...]) -> AcknowledgedRows:
    """A selected row."""
    *file, verdict, code, row_count, delivered_at, read_at, is_late, reopened_to = row
    program, batch_id, network, destination, file_name, sequence = file
    return AcknowledgedRows(
        program=program,
        batch_id=batch_id,
        network=network,
        destination=destination,
        file_name=file_name,
        sequence=sequence,
        verdict=Verdict(verdict),
        reason_code=code,
        row_count=row_count,
        delivered_at=delivered_at,
        read_at=read_at,
        is_late=is_late,
        reopened_to=reopened_to,
    )
