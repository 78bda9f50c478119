-- Acknowledgements that card companies wrote about chargeback files. New, empty tables, and
-- an index of the deliveries, of which there are a few a day.

-- One row a file of a partner's folder and its content. `revision`: size and time of the last change
-- there, by which a file that did not change is not read again. `verdict_sha256`: what it says, whatever
-- its bytes. One that `is_alarming` and has no `alarmed_at` may not have been told to an operator.
create table acknowledgement_files (
    destination text not null collate "C",
    file_name text not null collate "C",
    content_sha256 text not null collate "C",
    revision text not null,
    outcome text not null check (
        outcome in ('matched', 'repeated', 'conflicting', 'unknown', 'inconsistent', 'unreadable')
    ),
    batch_id text,
    network text,
    sequence bigint,
    verdict_sha256 text,
    accepted_count bigint,
    rejected_count bigint,
    received_at timestamptz,
    is_late boolean not null default false,
    reopened_to text,
    problem text,
    is_alarming boolean not null default false,
    read_at timestamptz not null default clock_timestamp(),
    alarmed_at timestamptz,
    primary key (destination, file_name, content_sha256),
    check ((outcome in ('matched', 'repeated', 'conflicting', 'inconsistent')) = (batch_id is not null)),
    check ((batch_id is null) = (network is null))
);
-- The first acknowledgement of a file stands.
create unique index acknowledgement_files_first on acknowledgement_files (batch_id, network)
where outcome = 'matched';
create index acknowledgement_files_unalarmed on acknowledgement_files (destination)
where is_alarming and alarmed_at is null;
create index acknowledgement_files_by_batch on acknowledgement_files (batch_id) where batch_id is not null;
create index deliveries_by_destination on deliveries (destination, made_at);
create index acknowledgement_files_read on acknowledgement_files (read_at);

-- Append-only: lines that a card company rejected, and the accepted rows that they were made of.
create table acknowledgement_rejections (
    batch_id text not null collate "C",
    network text not null collate "C",
    intake_id bigint not null,
    row_number bigint not null,
    case_number text not null,
    stage text not null,
    action_sequence bigint not null,
    code text not null,
    reason text not null,
    primary key (batch_id, network, intake_id, row_number)
);
create index acknowledgement_rejections_by_row on acknowledgement_rejections (intake_id, row_number);

-- When each destination's folder was read first and last, and what was wrong with that.
create table acknowledgement_polls (
    destination text primary key,
    first_polled_at timestamptz not null default clock_timestamp(),
    polled_at timestamptz,
    last_error text
);

-- An alarm each for files that no acknowledgement came of in time.
create table missing_acknowledgements (
    batch_id text not null collate "C",
    network text not null collate "C",
    alarmed_at timestamptz not null default clock_timestamp(),
    primary key (batch_id, network)
);
