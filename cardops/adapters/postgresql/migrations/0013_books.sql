-- What the nightly reconciliation looks up, and which dates it has found without a break.
-- The indexes lock writes to deposit_recalls, deposit_reinstatements and intake_files while they are
-- built; all are small beside the log (a row per recalled deposit, a row per file).

-- What an account below zero owed before: its recalled deposits.
create index deposit_recalls_by_account on deposit_recalls (program, user_id, currency);
create index deposit_reinstatements_by_account
on deposit_reinstatements (program, user_id, currency);
-- Files whose state changed since the last reconciled date.
create index intake_files_by_ended_at on intake_files (ended_at);

-- Closed dates that were reconciled. A later date is compared from the closing balances of the latest
-- one without a break.
create table reconciled_days (
    business_date date primary key,
    reconciled_at timestamptz not null default clock_timestamp(),
    compared_from date,
    break_count bigint not null
);
