-- Deposits, reinstatements, refunds and credits of disputes increase a ledger balance, captures,
-- recalls and credits taken back reduce it, a void or an expiry changes only the hold.
select * from {{ rows_to_test(ref('stg_lake__log_entries')) }}
where
    (
        kind in ('deposit', 'reinstatement', 'refund', 'provisional_credit', 'credit_made_final')
        and posted_minor < 0
    )
    or (kind in ('capture', 'recall', 'credit_taken_back') and posted_minor > 0)
    or (kind in ('void', 'expire') and (posted_minor != 0 or held_change_minor > 0))
