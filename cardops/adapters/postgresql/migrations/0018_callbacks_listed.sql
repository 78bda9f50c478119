-- Outside a transaction.
-- Callbacks by program and state, their ids in the order of bytes. In that order no other index has
-- them: a plan cannot walk the primary key instead and filter, and a range ends where the state ends,
-- which PostgreSQL 15 does not see of ids compared as rows. Built concurrently.
create index concurrently if not exists callbacks_listed
on callbacks (program, state, callback_id collate "C");
drop index concurrently if exists callbacks_by_state;
