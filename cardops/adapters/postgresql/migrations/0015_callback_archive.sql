-- Delivered callbacks and attempts that were archived to the lake. A part is recorded once its file is
-- in the lake and before the first of its rows is deleted, so that a file is never written again from
-- what a killed run left. Two rows a day. A new, empty table: no lock on a table that is in use.
create table callback_archives (
    table_name text not null check (table_name in ('callbacks', 'callback_attempts')),
    business_date date not null,
    number integer not null check (number > 0),
    row_count bigint not null,
    content_sha256 text not null,
    archived_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (table_name, business_date, number)
);
create index callback_archives_to_delete on callback_archives (table_name, business_date)
where deleted_at is null;
