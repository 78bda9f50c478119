-- Disputed money given back to users: policies, postings and notices, and the view of all postings with
-- them. New, empty tables; the view is replaced, which locks it for a moment.

-- Changes are added, never altered. A dispute's policy is the last one since a date up to its notice.
create table provisional_policies (
    program text not null references programs,
    change_number integer not null,
    policy text not null check (policy in ('regulation_e', 'regulation_z', 'none')),
    since_on date not null,
    credit_days integer check (credit_days >= 0),
    notice_days integer not null check (notice_days >= 0),
    withheld_minor bigint not null check (withheld_minor >= 0),
    set_by text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (program, change_number)
);

-- Append-only. The key lets a dispute have one credit and one end, whoever posts at the same time.
-- Taking back posts whatever the balance is: beside recalls, the only posting that may go below zero.
create table provisional_postings (
    program text not null,
    network text not null,
    case_number text not null,
    step text not null check (step in ('credit', 'end')),
    kind text not null
        check (kind in ('provisional_credit', 'credit_made_final', 'credit_taken_back')),
    transaction_id text not null,
    user_id text not null,
    currency text not null,
    amount_minor bigint not null
        check (amount_minor > 0 or (amount_minor = 0 and kind = 'credit_made_final')),
    policy text not null,
    due_on date not null,
    ledger_seq bigint not null,
    posted_at timestamptz not null,
    primary key (program, network, case_number, step),
    check ((step = 'credit') = (kind = 'provisional_credit'))
);
create index provisional_postings_by_transaction on provisional_postings (program, transaction_id);
create index provisional_postings_by_instant on provisional_postings (posted_at);
-- What an account below zero owed before.
create index provisional_postings_taken_back on provisional_postings (program, user_id, currency)
where kind = 'credit_taken_back';

-- Append-only: what users were told, as whoever writes to them recorded it.
create table provisional_notices (
    program text not null,
    network text not null,
    case_number text not null,
    kind text not null check (kind in ('acknowledgement', 'credit', 'taking_back', 'result')),
    notice_number integer not null,
    sent_on date not null,
    recorded_by text not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (program, network, case_number, kind, notice_number)
);

create or replace view postings as
select
    program,
    user_id,
    currency,
    'deposit' as kind,
    deposit_id as posting_key,
    amount_minor as posted_minor,
    ledger_seq,
    posted_at
from deposit_events
union all
select
    program,
    user_id,
    currency,
    'reinstatement',
    deposit_id || '/' || credit_number,
    amount_minor,
    ledger_seq,
    posted_at
from deposit_reinstatements
union all
select
    program,
    user_id,
    currency,
    'recall',
    deposit_id || case when credit_number > 1 then '/' || credit_number else '' end,
    -amount_minor,
    ledger_seq,
    posted_at
from deposit_recalls
union all
select
    program,
    user_id,
    currency,
    kind,
    network || '/' || case_number,
    case kind when 'credit_taken_back' then -amount_minor else amount_minor end,
    ledger_seq,
    posted_at
from provisional_postings
where amount_minor <> 0
union all
select
    program,
    user_id,
    currency,
    'spend',
    transaction_id,
    -amount_minor,
    ledger_seq,
    decided_at
from decisions
where status = 'PERMIT' and is_capture
union all
select
    program,
    user_id,
    currency,
    case kind when 'capture' then 'spend' else 'reversal' end,
    transaction_id || '/' || kind || '/' || movement_key,
    posted_minor,
    ledger_seq,
    posted_at
from movements
where posted_minor <> 0;
