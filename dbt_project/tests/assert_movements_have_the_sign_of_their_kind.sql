-- Deposits, reinstatements and refunds increase a ledger balance, captures and recalls reduce it, a
-- void or an expiry changes only the hold.
select * from {{ ref('stg_lake__log_entries') }}
where
    (kind in ('deposit', 'reinstatement', 'refund') and posted_minor < 0)
    or (kind in ('capture', 'recall') and posted_minor > 0)
    or (kind in ('void', 'expire') and (posted_minor != 0 or held_change_minor > 0))
