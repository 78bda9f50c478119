-- Keys with a validity of their own, OpenPGP certificates, caps over a date, approvals by two persons,
-- and what the calendar of expected files remembers. Each alteration fills new columns by their defaults.

-- `public_key`: 32 bytes of Ed25519, or an OpenPGP certificate. Instants: for files claimed between them.
alter table sender_keys drop constraint sender_keys_public_key_check;
alter table sender_keys
    add column algorithm text not null default 'ed25519' check (algorithm in ('ed25519', 'openpgp')),
    add column valid_from timestamptz,
    add column valid_until timestamptz,
    add constraint sender_keys_public_key_check check (
        (algorithm = 'ed25519' and octet_length(public_key) = 32)
        or (algorithm = 'openpgp' and octet_length(public_key) between 1 and 65536)
    );

-- `signatures`: algorithms that are accepted. Caps are currency -> minor units, as `caps` are.
alter table source_policies
    add column signatures text [] not null default array['ed25519', 'openpgp'],
    add column daily_caps jsonb not null default '{}',
    add column two_approvers_above jsonb not null default '{}';

-- What a file that passed brought, and how many persons approved it: the sums of a date are made of them.
alter table source_checks
    add column totals jsonb not null default '{}',
    add column approval_count smallint not null default 0;

-- How many different persons must approve; a hold ends as approved with the last of them.
alter table file_holds
    add column approvals_needed smallint not null default 1 check (approvals_needed in (1, 2));
create table file_approvals (
    intake_id bigint not null,
    hold_number integer not null,
    -- The name as names are compared: nobody approves a hold twice.
    person text not null,
    approved_by text not null,
    reason text not null,
    approved_at timestamptz not null default clock_timestamp(),
    primary key (intake_id, hold_number, person)
);

-- Whether a file without rows counts as arrived.
alter table expected_files add column may_be_empty boolean not null default false;
-- Files due before this instant were all looked at; those still missing have a row in missing_files.
create table expected_files_reported (
    is_only_row boolean primary key default true check (is_only_row),
    reported_until timestamptz not null
);
create index missing_files_open on missing_files (due_at)
where reported_at is not null and resolved_at is null and waived_at is null;
