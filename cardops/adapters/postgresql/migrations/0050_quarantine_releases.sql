-- Quarantined rows that a person released into a file of their own, so that they wait for nobody any more.
create table quarantine_releases (
    intake_id bigint not null,
    row_number bigint not null,
    released_at timestamptz not null default clock_timestamp(),
    primary key (intake_id, row_number)
);
