-- A recall is a state of its file, and a recalled deposit can be credited again by an explicit request.
-- Locks intake_files and deposit_recalls exclusively for a moment: one has a row per file, the other
-- a row per recalled deposit. A recall by an older version fails, posting nothing, once this has run.

-- Set before the first recall is posted: from then on nothing of the file is credited.
alter table intake_files drop constraint intake_files_status_check;
alter table intake_files
    add constraint intake_files_status_check
    check (status in ('claimed', 'applying', 'applied', 'refused', 'dead', 'recalled'));
-- By it a file is found that has the content of a recalled one.
create index intake_files_by_content on intake_files (content_sha256);
-- Files made of released rows, by the intake id in their name: a recall of that file is one of theirs.
create index intake_files_by_origin on intake_files (left(split_part(key, '/released/', 2), 12))
where strpos(key, '/released/') > 0;

-- A deposit's credits are numbered: 1 is its deposit event, later ones are reinstatements. A recall
-- takes back one credit, and the next credit needs the recall of the one before it, so that a deposit
-- is credited at most once at any time.
alter table deposit_recalls
    add column credit_number integer not null default 1 check (credit_number > 0);
alter table deposit_recalls drop constraint deposit_recalls_pkey;
alter table deposit_recalls add primary key (program, deposit_id, credit_number);

-- A recalled deposit credited again, with the content of the file that the request named: the recalled
-- file itself, or one that the bank corrected under the same ids.
create table deposit_reinstatements (
    program text not null,
    deposit_id text not null,
    credit_number integer not null check (credit_number > 1),
    user_id text not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor > 0),
    occurred_at timestamptz not null,
    intake_id bigint not null,
    row_number bigint not null,
    content_hash bytea not null,
    reinstated_by text not null,
    reason text not null,
    ledger_seq bigint not null,
    posted_at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    primary key (program, deposit_id, credit_number)
);
create index deposit_reinstatements_by_intake on deposit_reinstatements (intake_id, row_number);
create index deposit_reinstatements_by_instant on deposit_reinstatements (posted_at);

-- Append-only: who requested the reinstatement of a file, and why. While one is not finished, ingesting
-- the file credits its recalled deposits again; that ends with the request.
create table reinstatement_requests (
    intake_id bigint not null,
    request_number integer not null,
    requested_by text not null,
    reason text not null,
    requested_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    primary key (intake_id, request_number)
);

create view deposit_credits as
select
    program,
    deposit_id,
    1 as credit_number,
    user_id,
    currency,
    amount_minor,
    occurred_at,
    intake_id,
    row_number,
    content_hash,
    ledger_seq,
    posted_at
from deposit_events
union all
select
    program,
    deposit_id,
    credit_number,
    user_id,
    currency,
    amount_minor,
    occurred_at,
    intake_id,
    row_number,
    content_hash,
    ledger_seq,
    posted_at
from deposit_reinstatements;

-- Credits that were not recalled: at most one per deposit.
create view standing_deposits as
select c.*
from deposit_credits as c
where
    not exists (
        select from deposit_recalls as r
        where
            r.program = c.program
            and r.deposit_id = c.deposit_id
            and r.credit_number = c.credit_number
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
    posted_at,
    xid
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
    posted_at,
    xid
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

-- Files are recalled whole: one with a recalled deposit was recalled before this was a state.
update intake_files set status = 'recalled'
where
    kind = 'deposits'
    and status <> 'refused'
    and intake_id in (
        select e.intake_id
        from deposit_recalls as r
        inner join deposit_events as e on r.program = e.program and r.deposit_id = e.deposit_id
    );
