-- The next night begins at a date's closing balances, so their file must be the one that was compared:
-- its hash is recorded with the outcome. Dates reconciled before have none, and are no beginning.
-- A date whose balances or log were written again after it was compared is no beginning either.
alter table reconciled_days
    add column balances_sha256 text,
    add column superseded_at timestamptz;
