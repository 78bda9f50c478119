-- Outside a transaction.
-- Reads that do not grow with history: an index for every query of a request or of a nightly run.
-- Indexes are built concurrently: reads and writes go on, and a long query delays the migration, not
-- the other way round. Settings of a table block nobody either. On 5 million decisions and 3 million
-- callbacks it takes about half a minute; until it ends, processes of this version do not start.

-- Days. A B-tree, not BRIN: it also finds the first day, the next day and whether a day has anything,
-- its ranges need no summary, and the planner needs no advice. Rows of one commit have one instant and
-- share an index entry: 7 bytes and 64 bytes of WAL for each decision.
create index concurrently if not exists decisions_by_instant on decisions (decided_at);
create index concurrently if not exists movements_by_instant on movements (posted_at);
create index concurrently if not exists deposit_events_by_instant on deposit_events (posted_at);
create index concurrently if not exists deposit_recalls_by_instant on deposit_recalls (posted_at);
drop index concurrently if exists decisions_by_decided_at;
drop index concurrently if exists movements_by_posted_at;
drop index concurrently if exists deposit_events_by_posted_at;
drop index concurrently if exists deposit_recalls_by_posted_at;

-- Callbacks: lists by program and state, replays of a range, archiving. Nothing was ever looked up by
-- transaction, so a decision pays for as many indexes as before.
create index concurrently if not exists callbacks_by_state
on callbacks (program, state, callback_id);
drop index concurrently if exists callbacks_by_transaction;
create index concurrently if not exists callback_endpoints_by_failure
on callback_endpoints (last_failed_at)
where disabled_at is null;
create index concurrently if not exists callback_endpoints_disabled
on callback_endpoints (program, endpoint)
where disabled_at is not null;

-- Input files: what is not finished, what an operator must look at, and one file by its name.
create index concurrently if not exists intake_files_unfinished on intake_files (intake_id)
where status in ('claimed', 'applying');
create index concurrently if not exists intake_files_to_look_at on intake_files (intake_id)
where status in ('refused', 'dead') or (outcome ->> 'quarantined')::bigint > 0;
create index concurrently if not exists intake_files_by_key on intake_files (key);

-- Chargeback files that are not delivered: few, whatever was delivered before.
create index concurrently if not exists deliveries_not_delivered on deliveries (made_at)
where state <> 'delivered';

-- Autovacuum. By default it waits for a fifth of a table, which is a day of nothing and then an hour
-- of everything once the table is large. Figures and reasons are in docs/load-and-limits.md.

-- Insert-only: vacuumed in equal portions, so that pages are frozen a few at a time and the sums of
-- spending limits stay index-only reads.
alter table decisions set (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 500000,
    autovacuum_analyze_scale_factor = 0.02
);
alter table movements set (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 500000,
    autovacuum_analyze_scale_factor = 0.02
);
alter table deposit_events set (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 500000,
    autovacuum_analyze_scale_factor = 0.02
);
-- Updated in place (HOT): a page is pruned by the next update, so vacuum has little to do.
alter table accounts set (autovacuum_vacuum_scale_factor = 0.05);
-- Each callback is updated twice, and each hold once, in columns that are indexed.
alter table holds set (autovacuum_vacuum_scale_factor = 0.05);
alter table callbacks set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02
);
alter table callback_attempts set (autovacuum_vacuum_scale_factor = 0.05);
