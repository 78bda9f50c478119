-- Deposits and refunds add to a ledger balance, captures and recalls take from it, a void or an
-- expiry moves nothing but the hold.
select * from {{ ref('stg_lake__log_entries') }}
where
    (kind in ('deposit', 'refund') and posted_minor < 0)
    or (kind in ('capture', 'recall') and posted_minor > 0)
    or (kind in ('void', 'expire') and (posted_minor != 0 or held_change_minor > 0))
