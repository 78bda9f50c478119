"""Statements of the callback outbox.

Belongs here: SQL text and nothing else. `split_part(url, '/', 3)` is the host of a host queue, and
`split_part(url, '?', 1)` an endpoint, as in cardops.rules.callbacks.endpoints. Pending callbacks
are found by the index on (program, host, next_attempt_at), which the schema names
`callbacks_due_by_lane`: a lane there is a host queue here.
"""

from typing import Final

COLUMNS: Final = """
callback_id, program, transaction_id, url, is_test, body, state, attempt_count, next_attempt_at,
created_at, last_status_code, last_error, request_id
"""
# One index step per host queue with pending callbacks, however many callbacks it has.
_HOST_QUEUES: Final = """
with recursive host_queues (program, host) as (
    (
        select program, split_part(url, '/', 3) from callbacks
        where state = 'pending'
        order by program, split_part(url, '/', 3)
        limit 1
    )
    union all
    select following.program, following.host
    from host_queues as q
    cross join lateral (
        select c.program, split_part(c.url, '/', 3) as host from callbacks as c
        where c.state = 'pending' and (c.program, split_part(c.url, '/', 3)) > (q.program, q.host)
        order by c.program, split_part(c.url, '/', 3)
        limit 1
    ) as following
)
"""
# $1 now, $2 limit, $3 lease, $4 capacity by "program/host", $5 capacity of any other host queue,
# $6 the error of a callback to a disabled endpoint.
# A lease is a later next_attempt_at: callbacks of a worker that dies are due again by themselves.
LEASE: Final = f"""
{_HOST_QUEUES},
-- More than the limit, as another worker may be leasing some of them at this moment.
candidates as materialized (
    select d.callback_id, d.next_attempt_at
    from host_queues as q
    cross join lateral (
        select c.callback_id, c.next_attempt_at from callbacks as c
        where
            c.state = 'pending' and c.program = q.program
            and split_part(c.url, '/', 3) = q.host and c.next_attempt_at <= $1
        order by c.next_attempt_at
        limit coalesce(($4::jsonb ->> (q.program || '/' || q.host))::integer, $5)
    ) as d
    order by d.next_attempt_at
    limit 4 * $2
),
due as (
    select
        c.callback_id,
        not c.is_probe and exists (
            select 1 from callback_endpoints as e
            where
                e.program = c.program and e.endpoint = split_part(c.url, '?', 1)
                and e.disabled_at is not null
        ) as is_disabled
    from candidates as k
    inner join callbacks as c on c.callback_id = k.callback_id
    where c.state = 'pending' and c.next_attempt_at <= $1
    order by k.next_attempt_at
    limit $2
    for update of c skip locked
)
update callbacks as c
set
    state = case when d.is_disabled then 'dead' else 'pending' end,
    attempt_count = c.attempt_count + case when d.is_disabled then 0 else 1 end,
    next_attempt_at = case
        when d.is_disabled then c.next_attempt_at else $1::timestamptz + $3::interval
    end,
    ended_at = case when d.is_disabled then $1::timestamptz end,
    last_error = case when d.is_disabled then $6::text else c.last_error end,
    is_probe = false
from due as d
where c.callback_id = d.callback_id
returning {", ".join("c." + name.strip() for name in COLUMNS.split(","))}
"""  # noqa: S608 - the columns are ours
# Only the attempt that holds the lease may change the callback, or a success of a dead one.
RECORD: Final = """
with r as (
    select * from unnest(
        $1::text[], $2::integer[], $3::text[], $4::timestamptz[], $5::timestamptz[],
        $6::integer[], $7::text[], $8::text[], $9::text[], $10::timestamptz[],
        $11::timestamptz[], $12::integer[]
    ) as r (
        callback_id, attempt_count, state, ended_at, next_attempt_at, status_code, error, program,
        endpoint, leased_until, started_at, duration_milliseconds
    )
),
ended as (
    update callbacks as c
    set
        state = r.state,
        next_attempt_at = coalesce(r.next_attempt_at, c.next_attempt_at),
        ended_at = case when r.state = 'pending' then null else r.ended_at end,
        last_status_code = r.status_code,
        last_error = r.error
    from r
    where
        c.callback_id = r.callback_id and c.attempt_count = r.attempt_count
        and c.next_attempt_at = r.leased_until
        and (c.state = 'pending' or (c.state = 'dead' and r.state = 'delivered'))
),
succeeded as (
    delete from callback_endpoints as e
    using (select distinct program, endpoint from r where state = 'delivered') as w
    where e.program = w.program and e.endpoint = w.endpoint
)
insert into callback_attempts (
    callback_id, started_at, attempt_count, duration_milliseconds, status_code, error
)
select callback_id, started_at, attempt_count, duration_milliseconds, status_code, error from r
on conflict (callback_id, started_at) do nothing
"""
ADD_ENDPOINTS: Final = """
insert into callback_endpoints (
    program, endpoint, failing_since, last_failed_at, failure_count
)
select program, endpoint, failed_at, failed_at, 1
from unnest($1::text[], $2::text[], $3::timestamptz[]) as n (program, endpoint, failed_at)
on conflict (program, endpoint) do nothing
returning program, endpoint
"""
ENDPOINT_COLUMN_NAMES: Final = (
    "program",
    "endpoint",
    "failing_since",
    "last_failed_at",
    "failure_count",
    "last_status_code",
    "last_error",
    "disabled_at",
    "disabled_because",
)
ENDPOINT_COLUMNS: Final = ", ".join(ENDPOINT_COLUMN_NAMES)
LOCK_ENDPOINTS: Final = """
select
    e.program, e.endpoint, e.failing_since, e.last_failed_at, e.failure_count,
    e.last_status_code, e.last_error, e.disabled_at, e.disabled_because
from unnest($1::text[], $2::text[]) as n (program, endpoint)
inner join callback_endpoints as e on e.program = n.program and e.endpoint = n.endpoint
order by e.program, e.endpoint
for update of e
"""
CHANGE_ENDPOINTS: Final = """
update callback_endpoints as e
set
    failing_since = n.failing_since, last_failed_at = n.last_failed_at,
    failure_count = n.failure_count, last_status_code = n.last_status_code,
    last_error = n.last_error, disabled_at = n.disabled_at, disabled_because = n.disabled_because
from unnest(
    $1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::integer[],
    $7::text[], $8::timestamptz[], $9::text[]
) as n (
    program, endpoint, failing_since, last_failed_at, failure_count, last_status_code, last_error,
    disabled_at, disabled_because
)
where e.program = n.program and e.endpoint = n.endpoint
"""
RELEASE: Final = """
update callbacks as c
set next_attempt_at = $3, attempt_count = c.attempt_count - 1
from unnest($1::text[], $2::integer[]) as g (callback_id, attempt_count)
where
    c.callback_id = g.callback_id and c.attempt_count = g.attempt_count and c.state = 'pending'
"""
OLDEST_DUE: Final = f"""
{_HOST_QUEUES}
select min(d.next_attempt_at)
from host_queues as q
cross join lateral (
    select c.next_attempt_at from callbacks as c
    where
        c.state = 'pending' and c.program = q.program and split_part(c.url, '/', 3) = q.host
        and c.next_attempt_at <= $1
    order by c.next_attempt_at
    limit 1
) as d
"""  # noqa: S608 - a piece of ours
ENDPOINTS_TO_CLOSE: Final = f"""
select {ENDPOINT_COLUMNS} from callback_endpoints
where disabled_at is not null and closed_at is null
order by disabled_at
limit $1
"""  # noqa: S608 - the columns are ours
DISABLED_COUNT: Final = """
select count(*) from (
    select from callback_endpoints where disabled_at is not null limit 10000
) as disabled
"""
# $1 program, $2 host, $3 from this instant, $4 endpoint, $5 now, $6 error. Page by page over the
# host queue's part of the index; dead callbacks leave it, so each page holds other ones.
DEAD_LETTER: Final = """
with page as (
    select c.callback_id, c.next_attempt_at
    from callbacks as c
    where
        c.state = 'pending' and c.program = $1 and split_part(c.url, '/', 3) = $2
        and c.next_attempt_at >= $3 and split_part(c.url, '?', 1) = $4 and not c.is_probe
    order by c.next_attempt_at
    limit 2000
),
dead_lettered as (
    update callbacks as c
    set state = 'dead', ended_at = $5, last_error = $6
    from page
    where c.callback_id = page.callback_id and c.state = 'pending' and not c.is_probe
)
select max(next_attempt_at) from page
"""
CLOSE_ENDPOINT: Final = """
update callback_endpoints set closed_at = $3
where program = $1 and endpoint = $2 and disabled_at is not null and closed_at is null
returning 1
"""
PRUNE_ENDPOINTS: Final = """
delete from callback_endpoints as e
using (
    select program, endpoint from callback_endpoints
    where last_failed_at < $1 and disabled_at is null
    limit $2
) as old
where e.program = old.program and e.endpoint = old.endpoint and e.last_failed_at < $1
"""
# The program of a parameter, or where it is null every program that has callbacks: one index step each.
PROGRAMS: Final = """
with recursive every_program (program) as (
    select min(program) from callbacks
    union all
    select (select min(c.program) from callbacks as c where c.program > e.program)
    from every_program as e
    where e.program is not null
),
programs_asked (program) as (
    select {program}::text where {program}::text is not null
    union all
    select program from every_program where {program}::text is null and program is not null
)
"""
# $1 program or null, $2 state or null, $3 limit, $4 the last id of the page before. The newest of each
# program and state, then the newest of those: as many index steps as rows, however many callbacks
# there are, by the index whose ids are in the order of bytes. Another text without a cursor: with one statement for both, $4 could be null, and no plan
# would begin at it.
_LIST: Final = """
{programs}
select c.*
from programs_asked as p
cross join unnest(
    case when $2::text is null then array['pending', 'delivered', 'dead'] else array[$2] end
) as s (state)
cross join lateral (
    select {columns} from callbacks as l
    where l.program = p.program and l.state = s.state{before}
    order by l.callback_id collate "C" desc
    limit $3
) as c
order by c.callback_id collate "C" desc
limit $3
"""
_LIST_PARTS: Final = {"programs": PROGRAMS.format(program="$1"), "columns": COLUMNS}
LIST: Final = _LIST.format(**_LIST_PARTS, before="")
LIST_BEFORE: Final = _LIST.format(**_LIST_PARTS, before=' and l.callback_id < $4 collate "C"')
# With a key, its entry in the audit trail is one commit with the change.
REPLAY: Final = """
with replayed as (
    update callbacks
    set
        state = 'pending', attempt_count = 0, next_attempt_at = now(), ended_at = null,
        is_probe = true
    where callback_id = $2 and ($1::text is null or program = $1)
    returning callback_id, program
), recorded as (
    insert into audit_entries (origin, actor, via, action, subject)
    select 'api', $3::text, 'key', 'replay callbacks', 'callback_id ' || callback_id || ', program ' || program
    from replayed
    where $3::text is not null
    returning entry_id
), ended as (
    insert into audit_results (entry_id, result, detail)
    select entry_id, 'done', '' from recorded
)
select callback_id from replayed
"""
