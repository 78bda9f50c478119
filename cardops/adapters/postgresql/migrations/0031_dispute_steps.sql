-- Days that a program's processor leaves for a response, shorter than the published ones. Changes are
-- added, never altered; the last of a network and stage is in force, and one without days ends it.
create table dispute_clock_changes (
    program text not null references programs,
    network text not null check (network in ('visa', 'mastercard', 'amex', 'discover')),
    stage text not null,
    change_number integer not null,
    days integer check (days between 1 and 365),
    set_by text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (program, network, stage, change_number)
);

-- What a line of a batch's files is: each accepted step, or the latest of a dispute's stage. Files of
-- batches that were claimed before are made again as they were.
alter table chargeback_batches
    add column line_rule text not null default 'steps' check (line_rule in ('steps', 'stages'));
