-- Files taken in, chargeback batches, and files delivered to the card companies.

-- A batch is what one intake takes together for one program. Sealed as it is made.
create table chargeback_batches (
    batch_id text primary key,
    program text not null,
    business_date date not null,
    number integer not null,
    mode text not null check (mode in ('by_network', 'size_balanced')),
    sealed_at timestamptz not null default now(),
    unique (program, business_date, number)
);

create table intake_files (
    intake_id bigint generated always as identity primary key,
    kind text not null check (kind in ('deposits', 'transactions', 'orders', 'chargebacks')),
    program text not null,
    bucket text not null,
    key text not null,
    version text not null,
    content_sha256 text not null,
    size_bytes bigint not null,
    business_date date not null,
    batch_id text,
    status text not null default 'claimed'
        check (status in ('claimed', 'applying', 'applied', 'refused', 'dead')),
    attempt_count integer not null default 0,
    outcome jsonb,
    claimed_at timestamptz not null default now(),
    ended_at timestamptz,
    unique (bucket, key, content_sha256)
);
create index intake_files_by_date on intake_files (kind, business_date);
create index intake_files_by_batch on intake_files (batch_id) where batch_id is not null;
create index intake_files_by_version on intake_files (bucket, key, version);

-- Rows of one file on their way into accounts. Unlogged: a crash empties it, a resume stages again.
create unlogged table deposit_stage (
    intake_id bigint not null,
    row_number bigint not null,
    deposit_id text not null,
    user_id text not null,
    currency text not null,
    amount_minor bigint not null,
    occurred_at timestamptz not null
);
create index deposit_stage_by_user on deposit_stage (intake_id, user_id);

-- Quarantined rows that wait for a reference: taken up when it arrives.
create table waiting_rows (
    intake_id bigint not null,
    row_number bigint not null,
    kind text not null,
    program text not null,
    reference_id text not null,
    released_to bigint,
    primary key (intake_id, row_number)
);
create index waiting_rows_by_reference on waiting_rows (program, kind, reference_id)
where released_to is null;

-- One chargeback file at one card company. Row, sequence and hash are fixed once made.
create table deliveries (
    batch_id text not null,
    network text not null,
    program text not null,
    destination text not null,
    sequence bigint not null,
    file_name text not null,
    row_count bigint not null,
    totals jsonb not null,
    content_sha256 text not null,
    control_sha256 text not null,
    state text not null default 'made' check (
        state in ('made', 'sending', 'delivered', 'delivered_unconfirmed', 'failed')
    ),
    remote_path text,
    attempt_count integer not null default 0,
    last_error text,
    made_at timestamptz not null default now(),
    delivered_at timestamptz,
    acknowledged_at timestamptz,
    primary key (batch_id, network),
    unique (destination, sequence)
);

-- Exports of a day and whether the day is closed; watermark of the last reconciled day.
create table exported_days (
    business_date date primary key,
    exported_at timestamptz not null,
    is_closed boolean not null,
    row_count bigint not null,
    content_sha256 text not null
);
