-- Columns that nothing reads. Transaction ids of rows were meant for reads between days; days are read
-- whole, and whether one is closed is known from the ids of its export (docs/decisions/0038). An
-- acknowledgement was never written. Nothing is rewritten: the exclusive locks last for an instant, and
-- where a long query holds them up, this stops waiting after a second and is tried again.
set local lock_timeout = '1s';

drop view postings;
create view postings as
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

alter table decisions drop column xid;
alter table movements drop column xid;
alter table deposit_events drop column xid;
alter table deposit_recalls drop column xid;
alter table deposit_reinstatements drop column xid;
alter table deliveries drop column acknowledged_at;
