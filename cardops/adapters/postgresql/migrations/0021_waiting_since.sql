-- Since when a row waits for its reference, and whether an operator was told that it waits too long.
alter table waiting_rows
add column waiting_since timestamptz not null default now(),
add column alarmed_at timestamptz;
create index waiting_rows_by_age on waiting_rows (waiting_since) where released_to is null;
