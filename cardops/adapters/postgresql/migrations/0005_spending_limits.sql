-- Spending limits, who changed them, and the indexes by which what counts against them is found.

-- user_id '' holds for each user of the program, each counted for itself; a user's own limit of
-- the same kind and window stands in its place.
create table spending_limits (
    program text not null,
    user_id text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    kind text not null check (kind in ('authorization', 'window', 'day', 'month')),
    window_seconds integer not null default 0,
    max_amount_minor bigint check (max_amount_minor > 0),
    max_count bigint check (max_count > 0),
    changed_by text not null,
    changed_at timestamptz not null default now(),
    primary key (program, user_id, currency, kind, window_seconds),
    constraint only_windows_have_a_length check (
        case kind
            when 'window' then window_seconds between 1 and 2678400
            else window_seconds = 0
        end
    ),
    constraint a_limit_limits_something check (
        max_amount_minor is not null or (max_count is not null and kind <> 'authorization')
    )
);

-- Append-only: every change of a limit or a block, null where there was or is none.
create table limit_changes (
    program text not null,
    user_id text not null,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null,
    before jsonb,
    after jsonb
);
create index limit_changes_by_user on limit_changes (program, user_id, changed_at);

-- What was permitted is what counts: read from the truth itself, no counter can drift from it.
create index decisions_permitted on decisions (program, user_id, currency, decided_at)
include (amount_minor)
where status = 'PERMIT';
create index increments_permitted on movements (program, user_id, currency, posted_at)
include (amount_minor)
where kind = 'increment' and status = 'PERMIT';
