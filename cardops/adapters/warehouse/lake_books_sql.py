"""SQL of the comparison of closing balances with the transaction log, in three steps of growing cost.

Belongs here: SQL text for DuckDB. Each step reads what the one before could not settle. An account is
a 64-bit hash of its key in the first two: a number costs a third of a text's memory. Two accounts with
one hash are compared by their sum, so that they may hide two damages of them that cancel out, never
make a break.
"""

from typing import Final

_ACCOUNT: Final = "hash(program, user_id, currency)"
_LOG: Final = "read_parquet($log, hive_partitioning = true, hive_types = {'business_date': date})"

# The same in a text that is formatted once more.
_LOG_IN_FORMAT: Final = _LOG.replace("{", "{{").replace("}", "}}")

# First, from an opening: true where every closing balance is its opening plus the log since. Both are
# added up row by row, as hashes of account and amounts, so nothing is sorted or grouped but the accounts
# that moved. An account with nothing counts as none.
CARRIED_FORWARD: Final = f"""
    with moved as (
        select {_ACCOUNT} as account, sum(posted_minor) as posted, sum(held_change_minor) as held
        from {_LOG}
        where business_date > $first and business_date <= $day
            and (posted_minor <> 0 or held_change_minor <> 0)
        group by 1
    ),
    carried as (
        select coalesce(o.account, moved.account) as account,
            coalesce(o.ledger, 0) + coalesce(posted, 0) as ledger,
            coalesce(o.held, 0) + coalesce(moved.held, 0) as held
        from (
            select {_ACCOUNT} as account, ledger_minor as ledger, held_minor as held
            from read_parquet($opening)
        ) as o
        full join moved using (account)
    )
    select (
        select coalesce(sum(hash(account, ledger::hugeint, held::hugeint)::hugeint), 0)
        from carried where ledger <> 0 or held <> 0
    ) = (
        select coalesce(sum(hash({_ACCOUNT}, ledger_minor::hugeint, held_minor::hugeint)::hugeint), 0)
        from read_parquet($balances) where ledger_minor <> 0 or held_minor <> 0
    )
"""  # noqa: S608 - constants of this module

# Second: the accounts whose plain sums differ. Balances are subtracted as if they were rows of the log.
SUSPECTS: Final = f"""
    create temporary table suspects as
    select account
    from (
        select {_ACCOUNT} as account, posted_minor as posted, held_change_minor as held
        from {_LOG_IN_FORMAT}
        where business_date {{since}} and business_date <= $day
        union all
        select {_ACCOUNT}, -ledger_minor, -held_minor
        from read_parquet($balances)
        union all
        {{opening}}
    )
    group by account
    having sum(posted) <> 0 or sum(held) <> 0
"""  # noqa: S608 - constants of this module
OPENING_ROWS: Final = f"""
    select {_ACCOUNT}, ledger_minor, held_minor from read_parquet($opening)
"""  # noqa: S608 - constants of this module
NO_OPENING_ROWS: Final = "select 0::ubigint, 0::bigint, 0::bigint where false"

# Third, of the suspects only. The log is added up from an opening balance, which has every row of its
# date up to its `ledger_seq` (and none dated later). Without one, from nothing. Log rows written after
# the balance was read (a later ledger_seq) are excluded, so live traffic during the export makes no
# break. An account with log rows of an earlier day but without a balance is a break against zero.
DIFFERING_ACCOUNTS: Final = f"""
    with balances as (
        select program, user_id, currency, ledger_minor, held_minor, ledger_seq
        from read_parquet($balances)
        where {_ACCOUNT} in (select account from suspects)
    ),
    opening as (
        select program, user_id, currency, ledger_minor, held_minor, ledger_seq
        from {{opening}}
        where {_ACCOUNT} in (select account from suspects)
    ),
    log as (
        select l.program, l.user_id, l.currency, l.posted_minor, l.held_change_minor, l.ledger_seq,
            l.business_date
        from {_LOG_IN_FORMAT} as l
        left join opening using (program, user_id, currency)
        where l.business_date between $first and $day
            and (l.posted_minor <> 0 or l.held_change_minor <> 0)
            and (l.business_date > $first or l.ledger_seq > coalesce(opening.ledger_seq, 0))
            and hash(l.program, l.user_id, l.currency) in (select account from suspects)
        union all by name
        select program, user_id, currency, ledger_minor as posted_minor,
            held_minor as held_change_minor, 0 as ledger_seq, $first::date as business_date
        from opening
    ),
    sums as (
        select program, user_id, currency, sum(posted_minor) as posted,
            sum(held_change_minor) as held, min(business_date) as first_on
        from log group by all
    ),
    checked as (
        select balances.program, balances.user_id, balances.currency,
            any_value(ledger_minor) as balances, any_value(held_minor) as held_balances,
            coalesce(sum(posted_minor), 0) as transaction_log,
            coalesce(sum(held_change_minor), 0) as transaction_log_holds
        from balances left join log
            on balances.program = log.program and balances.user_id = log.user_id
                and balances.currency = log.currency and log.ledger_seq <= balances.ledger_seq
        group by all
    ),
    unknown as (
        select program, user_id, currency, 0 as balances, 0 as held_balances,
            posted as transaction_log, held as transaction_log_holds
        from sums anti join balances using (program, user_id, currency)
        where first_on < $day
    )
    select program, user_id, currency, balances::decimal(38, 0) as balances,
        held_balances::decimal(38, 0) as held_balances,
        transaction_log::decimal(38, 0) as transaction_log,
        transaction_log_holds::decimal(38, 0) as transaction_log_holds
    from (from checked union all by name from unknown)
    where balances <> transaction_log or held_balances <> transaction_log_holds
    order by program, user_id, currency
"""  # noqa: S608 - constants of this module
OPENING: Final = "read_parquet($opening)"
NO_OPENING: Final = "(select * from read_parquet($balances) limit 0)"
