-- Which rows are in a batch's files is decided once, before the first of them is made: `filed_at`. A file
-- that is ingested later goes into a later batch. `made_slots`: slot -> accepted rows that its file
-- accounts for, 0 where it has none; a batch is made once all four are there.
alter table chargeback_batches
    add column filed_at timestamptz,
    add column made_slots jsonb not null default '{}',
    add column layout_version smallint not null default 1 check (layout_version in (1, 2)),
    -- Destination -> version of its layout (`destination_layouts`); absent: the standard one.
    add column layouts jsonb not null default '{}';
create index chargeback_batches_unmade on chargeback_batches (program, business_date, number)
where not jsonb_exists_all(made_slots, array['visa', 'mastercard', 'amex', 'discover']);
create index chargeback_batches_filed on chargeback_batches (filed_at);

-- Whether the file's rows belong to its batch for good.
alter table intake_files add column is_filed boolean not null default false;
create index intake_files_unfiled on intake_files (batch_id)
where batch_id is not null and not is_filed and status <> 'applied' and status <> 'refused';

-- Batches with files on record are decided; those without a single accepted row need none.
update chargeback_batches as b set filed_at = b.sealed_at
where exists (
    select from deliveries as d
    where d.batch_id = b.batch_id
);
update intake_files as f set is_filed = true
from chargeback_batches as b
where b.batch_id = f.batch_id and b.filed_at is not null and f.status = 'applied';
update chargeback_batches as b
set made_slots = '{"visa": 0, "mastercard": 0, "amex": 0, "discover": 0}' || coalesce((
    select jsonb_object_agg(d.network, d.row_count) from deliveries as d
    where d.batch_id = b.batch_id
), '{}')
where b.line_rule = 'steps' and not exists (
    select from intake_files as f
    where f.batch_id = b.batch_id and f.status in ('claimed', 'applying')
) and (
    select coalesce(sum(coalesce((f.outcome ->> 'accepted')::bigint, 0)), 0)
    from intake_files as f
    where f.batch_id = b.batch_id
) = (
    select coalesce(sum(d.row_count), 0) from deliveries as d
    where d.batch_id = b.batch_id
);

-- Accepted rows that are in none of their batch's files, and why. A row may wait again after it was
-- released; `released_to` is the batch whose files have it then.
create table waiting_disputes (
    intake_id bigint not null,
    row_number bigint not null,
    wait_number integer not null,
    program text not null,
    batch_id text not null,
    network text not null,
    case_number text not null,
    stage text not null,
    reason text not null,
    waiting_since timestamptz not null default clock_timestamp(),
    released_to text,
    released_by text,
    release_reason text,
    released_at timestamptz,
    primary key (intake_id, row_number, wait_number)
);
create index waiting_disputes_open on waiting_disputes (waiting_since, intake_id, row_number)
where released_to is null;
create index waiting_disputes_by_batch on waiting_disputes (batch_id);
create index waiting_disputes_released on waiting_disputes (released_to) where released_to is not null;

-- What a program does about a dispute that should not be sent as it is. Changes are added, never altered.
create table dispute_policy_changes (
    program text not null references programs,
    flag text not null check (flag in ('refunded_already', 'duplicate_case', 'failed_payment')),
    change_number integer not null,
    policy text not null check (policy in ('send', 'hold')),
    set_by text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (program, flag, change_number)
);

-- How the files of a program for a destination look: columns, headers, formats. Versions are added,
-- never altered; the last is in force for batches that are filed from then on; null: the standard one.
create table destination_layouts (
    program text not null references programs,
    destination text not null,
    version integer not null,
    layout jsonb,
    set_by text not null,
    why text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (program, destination, version)
);
