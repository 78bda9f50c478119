-- Callbacks: which lane's turn it is, which endpoints only fail, what each attempt met.

-- A lane is what one program owes to one host (program, authority of the URL). Lane by lane
-- instead of by time alone: one partner's backlog then stands in nobody else's way, and a
-- decision pays for one index as before.
drop index callbacks_due;
create index callbacks_due_by_lane
on callbacks (program, split_part(url, '/', 3), next_attempt_at)
where state = 'pending';

-- A replay of one callback is tried although its endpoint is disabled.
alter table callbacks add column is_probe boolean not null default false;

-- Endpoints whose last attempt failed; a success takes the row away. An endpoint is a URL
-- without its query.
create table callback_endpoints (
    program text not null,
    endpoint text not null,
    failing_since timestamptz not null,
    last_failed_at timestamptz not null,
    failure_count bigint not null check (failure_count > 0),
    last_status_code integer,
    last_error text,
    disabled_at timestamptz,
    disabled_because text,
    -- When what was owed to it had been given up, and an operator was told.
    closed_at timestamptz,
    primary key (program, endpoint)
);
create index callback_endpoints_to_close on callback_endpoints (disabled_at)
where disabled_at is not null and closed_at is null;

-- Every attempt; append-only, pruned by age. Ids sort by time of making, so that the oldest are
-- found by the key. Nothing that a partner answered is here but its status.
create table callback_attempts (
    callback_id text not null,
    started_at timestamptz not null,
    attempt_count integer not null,
    duration_milliseconds integer not null,
    status_code integer,
    error text,
    primary key (callback_id, started_at)
);
