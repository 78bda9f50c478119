-- Accounts and what moves them. Amounts are bigint minor units of an ISO 4217 currency.
-- No foreign keys, triggers or sequences here: the money path must be able to move to a
-- distributed PostgreSQL (docs/decisions).

-- The materialised balance. ledger balance = available_minor + held_minor.
-- available_minor may be negative: an obligation (a returned deposit) is posted whatever it does.
create table accounts (
    program text not null,
    user_id text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    available_minor bigint not null default 0,
    held_minor bigint not null default 0 check (held_minor >= 0),
    ledger_seq bigint not null default 0,
    primary key (program, user_id, currency)
) with (fillfactor = 70);

-- What is particular about a user. A user without a row is active.
create table users (
    program text not null,
    user_id text not null,
    is_blocked boolean not null default false,
    changed_at timestamptz not null default now(),
    primary key (program, user_id)
);

create table deposit_events (
    program text not null,
    deposit_id text not null,
    user_id text not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor > 0),
    occurred_at timestamptz not null,
    intake_id bigint not null,
    row_number bigint not null,
    content_hash bytea not null,
    ledger_seq bigint not null,
    posted_at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    primary key (program, deposit_id)
);
create index deposit_events_by_intake on deposit_events (intake_id, row_number);
create index deposit_events_by_posted_at on deposit_events using brin (posted_at);

-- A deposit taken back: a wrong or a returned file. Always posts.
create table deposit_recalls (
    program text not null,
    deposit_id text not null,
    user_id text not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor > 0),
    recalled_by text not null,
    ledger_seq bigint not null,
    posted_at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    primary key (program, deposit_id)
);
create index deposit_recalls_by_posted_at on deposit_recalls using brin (posted_at);

-- One row per question ever answered; answer holds the very bytes that were sent.
create table decisions (
    program text not null,
    transaction_id text not null,
    authorization_id text not null,
    question_hash bytea not null,
    user_id text not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor > 0),
    is_capture boolean not null,
    status text not null check (status in ('PERMIT', 'REJECT')),
    reason_code text not null,
    remaining_minor bigint not null,
    ledger_seq bigint not null,
    answer bytea not null,
    details jsonb,
    key_id text,
    request_id text,
    decided_at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    primary key (program, transaction_id),
    constraint permit_never_overdraws check (status <> 'PERMIT' or remaining_minor >= 0)
);
create index decisions_by_decided_at on decisions using brin (decided_at);

-- Open and ended holds: the mutable side of a PERMIT with capture false.
create table holds (
    program text not null,
    transaction_id text not null,
    user_id text not null,
    currency text not null,
    state text not null check (state in ('held', 'captured', 'voided', 'expired')),
    held_minor bigint not null check (held_minor >= 0),
    captured_minor bigint not null default 0 check (captured_minor >= 0),
    expires_at timestamptz not null,
    primary key (program, transaction_id)
) with (fillfactor = 70);
create index holds_open on holds (expires_at) where state = 'held';

-- What happened to an authorization after its decision. Append-only, sticky by its key.
create table movements (
    program text not null,
    transaction_id text not null,
    kind text not null check (kind in ('capture', 'void', 'expire', 'increment', 'refund')),
    movement_key text not null,
    user_id text,
    currency text,
    status text not null check (status in ('PERMIT', 'REJECT')),
    reason_code text not null,
    amount_minor bigint not null check (amount_minor >= 0),
    posted_minor bigint not null,
    held_change_minor bigint not null,
    ledger_seq bigint not null,
    answer bytea not null,
    key_id text,
    request_id text,
    posted_at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    primary key (program, transaction_id, kind, movement_key)
);
create index movements_by_posted_at on movements using brin (posted_at);

-- Every signed entry of every account's ledger balance: the second road of every balance.
create view postings as
select
    program,
    user_id,
    currency,
    'deposit' as kind,
    deposit_id as posting_key,
    amount_minor as posted_minor,
    ledger_seq,
    posted_at,
    xid
from deposit_events
union all
select
    program,
    user_id,
    currency,
    'recall',
    deposit_id,
    -amount_minor,
    ledger_seq,
    posted_at,
    xid
from deposit_recalls
union all
select
    program,
    user_id,
    currency,
    'spend',
    transaction_id,
    -amount_minor,
    ledger_seq,
    decided_at,
    xid
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
    posted_at,
    xid
from movements
where posted_minor <> 0;

-- Transactional outbox of callbacks: written in the commit of the decision they tell of.
create table callbacks (
    callback_id text primary key,
    program text not null,
    transaction_id text not null,
    url text not null,
    is_test boolean not null default false,
    body bytea not null,
    state text not null default 'pending'
        check (state in ('pending', 'delivered', 'dead')),
    attempt_count integer not null default 0,
    next_attempt_at timestamptz not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    last_status_code integer,
    last_error text
);
create index callbacks_due on callbacks (next_attempt_at) where state = 'pending';
create index callbacks_by_transaction on callbacks (program, transaction_id);
