-- Delivery: circuit breakers, bytes as they were encrypted, and the business day a file counts for.

-- Sessions with a destination that failed in a row; without a row it is closed.
create table destination_breakers (
    destination text primary key,
    failure_count integer not null default 0,
    opened_at timestamptz,
    retry_at timestamptz,
    last_error text,
    recovered_at timestamptz,
    changed_at timestamptz not null default now()
);

-- The hashes of the encrypted CSV and control file, and the certificate they were encrypted for.
alter table deliveries add column encrypted_sha256 text;
alter table deliveries add column encrypted_control_sha256 text;
alter table deliveries add column encrypted_for text;
alter table deliveries add constraint deliveries_encrypted_together check (
    (encrypted_sha256 is null) = (encrypted_control_sha256 is null)
    and (encrypted_sha256 is null) = (encrypted_for is null)
) not valid;

-- The card company's business day for which the file counts, and the last cut-off alarmed about.
alter table deliveries add column counts_on date;
alter table deliveries add column missed_cut_off_on date;
