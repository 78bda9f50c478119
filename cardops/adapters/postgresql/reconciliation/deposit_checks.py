"""SQL of the named checks of deposits and of their files, whatever the file's state.

Belongs here: SQL text, as in authorization_checks.py. A deposit's credits are numbered: its deposit
event is the first, reinstatements are later ones; a recall takes back one of them.
"""

from typing import Final, LiteralString

DEPOSITS: Final[LiteralString] = """
select 'deposits_have_their_intake_file', c.program, c.user_id, c.currency,
    'deposit ' || c.deposit_id || ' of intake file ' || c.intake_id, c.amount_minor, 0::bigint
from deposit_credits as c
left join intake_files as f
    on f.intake_id = c.intake_id and f.program = c.program and f.kind = 'deposits'
where c.posted_at >= {since} and f.intake_id is null
union all
select 'deposits_agree_with_their_content_hash', c.program, c.user_id, c.currency,
    'deposit ' || c.deposit_id, c.amount_minor, 0::bigint
from deposit_credits as c
where c.posted_at >= {since} and c.content_hash <> sha256(convert_to(
    c.user_id || '|' || c.currency || '|' || c.amount_minor || '|'
    || (extract(epoch from c.occurred_at) * 1000000)::bigint, 'UTF8'
))
union all
select 'recalls_have_their_deposit', r.program, r.user_id, r.currency,
    'deposit ' || r.deposit_id, r.amount_minor, coalesce(c.amount_minor, 0)
from deposit_recalls as r
left join deposit_credits as c
    on c.program = r.program and c.deposit_id = r.deposit_id and c.credit_number = r.credit_number
    and c.user_id = r.user_id and c.currency = r.currency
where r.posted_at >= {since} and r.amount_minor is distinct from c.amount_minor
union all
select 'reinstatements_have_their_recall', i.program, i.user_id, i.currency,
    'deposit ' || i.deposit_id, i.amount_minor, 0::bigint
from deposit_reinstatements as i
left join deposit_recalls as r
    on r.program = i.program and r.deposit_id = i.deposit_id
    and r.credit_number = i.credit_number - 1
where i.posted_at >= {since} and r.program is null
"""

# Of every file that changed since and has credited: what of it was not recalled.
FILES: Final[LiteralString] = """
with changed as (
    select * from intake_files
    where kind = 'deposits' and business_date between {since_date} and {day}
    union
    select * from intake_files
    where kind = 'deposits' and business_date <= {day} and ended_at >= {since}
    union
    select * from intake_files
    where kind = 'deposits' and business_date <= {day} and status in ('claimed', 'applying')
),
standing as (
    select s.program, s.intake_id, s.currency, count(*) as row_count,
        sum(s.amount_minor) as amount_minor
    from standing_deposits as s
    where s.intake_id in (select intake_id from changed)
    group by s.program, s.intake_id, s.currency
)
"""
FILE_STATES: Final[LiteralString] = """
{files}
select
    case when f.status = 'recalled' then 'recalled_files_have_nothing_credited'
        else 'unfinished_files_have_credited_nothing' end,
    s.program, null, s.currency,
    'intake file ' || f.intake_id || ' (' || f.status || ', ' || f.key || ')',
    s.amount_minor, 0::bigint
from standing as s
inner join changed as f using (intake_id)
where f.status in ('recalled', 'dead', 'refused', 'claimed', 'held')
"""
# `said`: control totals of the file's outcome. A file that never finished has none.
DEPOSIT_FILES: Final[LiteralString] = """
{files},
said as (
    select f.program, f.intake_id, total.key as currency, total.value::numeric as amount_minor
    from changed as f, jsonb_each_text(f.outcome -> 'totals_minor') as total
)
select
    f.program, f.intake_id, figures.currency, f.key, f.status, f.business_date,
    coalesce(figures.said_minor, 0), coalesce(figures.posted_minor, 0),
    coalesce((f.outcome ->> 'accepted')::bigint, 0), coalesce(figures.row_count, 0)
from changed as f
left join (
    select program, intake_id, currency, said.amount_minor as said_minor,
        standing.amount_minor as posted_minor, row_count
    from said
    full join standing using (program, intake_id, currency)
) as figures using (program, intake_id)
order by f.intake_id, figures.currency
"""
# The second reader knows mappings of CSV and of workbooks; mapped JSON and Parquet are left out.
COUNTED_FILES: Final[LiteralString] = """
{files}
select
    f.intake_id, f.program, p.currency, f.key, f.content_sha256, f.status, f.claimed_at,
    (f.outcome ->> 'read')::bigint, (f.outcome ->> 'accepted')::bigint,
    (f.outcome ->> 'duplicate')::bigint, (f.outcome ->> 'quarantined')::bigint,
    coalesce((f.outcome -> 'reasons' ->> 'recalled_before')::bigint, 0),
    coalesce(m.definition, '{{}}'::jsonb)
from changed as f
inner join programs as p using (program)
left join file_mappings as m
    on m.program = f.program and m.kind = 'deposits' and m.version = f.mapping_version
where coalesce(m.definition, '{{}}'::jsonb) = '{{}}'::jsonb
    or lower(f.key) ~ '\\.(csv|xlsx)(\\.(gz|zst))?$'
order by f.intake_id
"""
