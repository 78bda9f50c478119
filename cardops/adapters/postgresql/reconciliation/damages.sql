-- Damages of the store, each under its kind's name: what a bug, a hand or a bad restore leaves behind.
-- They are planted in a copy, in the specimen's program, in a transaction that is rolled back. Where
-- the database would refuse one, the constraint is dropped first, as in a store that lost it.
-- A planted posting changes its account's balance and sequence too, so that these do not give it away.

-- damage: balance_changed
update accounts set available_minor = available_minor + 1 where program = 'cardops-prove' and user_id = 'ben';

-- damage: account_lost
delete from accounts where program = 'cardops-prove' and user_id = 'cas';

-- damage: held_without_hold
update accounts set available_minor = available_minor - 100, held_minor = held_minor + 100
where program = 'cardops-prove' and user_id = 'ben';

-- damage: account_overdrawn
insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
)
select program, 't-planted', 'planted', '\x00', user_id, currency, available_minor + 1000,
    true, 'PERMIT', 'sufficient_credit', 0, ledger_seq + 1, '{}', clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ben';
update accounts set available_minor = -1000, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ben';

-- damage: decision_lost
delete from decisions where program = 'cardops-prove' and transaction_id = 't-spent';
update accounts set available_minor = available_minor + 1000
where program = 'cardops-prove' and user_id = 'ana';

-- damage: account_sequence_ahead
update accounts set ledger_seq = ledger_seq + 1 where program = 'cardops-prove' and user_id = 'ana';

-- damage: sequence_number_repeated
update decisions set ledger_seq = ledger_seq - 1
where program = 'cardops-prove' and transaction_id = 't-spent';

-- damage: remaining_credit_changed
update decisions set remaining_minor = remaining_minor + 1
where program = 'cardops-prove' and transaction_id = 't-spent';

-- damage: refund_above_the_capture
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select program, 't-spent', 'refund', 'planted', user_id, currency, 'PERMIT', 'refund',
    100100, 100100, 0, ledger_seq + 1, '{}', clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ana';
update accounts set available_minor = available_minor + 100100, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ana';

-- damage: capture_above_the_hold
update accounts set available_minor = available_minor - 50000 + (
    select captured_minor from holds where program = 'cardops-prove' and transaction_id = 't-part'
)
where program = 'cardops-prove' and user_id = 'ana';
update movements set amount_minor = 50000, posted_minor = -50000
where program = 'cardops-prove' and transaction_id = 't-part' and kind = 'capture';
update holds set captured_minor = 50000 where program = 'cardops-prove' and transaction_id = 't-part';

-- damage: capture_of_a_rejection
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select program, 't-rejected', 'capture', '', user_id, currency, 'PERMIT', 'capture',
    100, -100, 0, ledger_seq + 1, '{}', clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ana';
update accounts set available_minor = available_minor - 100, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ana';

-- damage: action_without_decision
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select program, 't-never', 'refund', 'planted', user_id, currency, 'PERMIT', 'refund',
    100, 100, 0, ledger_seq + 1, '{}', clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ana';
update accounts set available_minor = available_minor + 100, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ana';

-- damage: action_on_another_account
update movements set user_id = 'ben'
where program = 'cardops-prove' and transaction_id = 't-part' and kind = 'capture';

-- damage: action_posted_another_amount
update movements set posted_minor = posted_minor + 100
where program = 'cardops-prove' and transaction_id = 't-spent' and kind = 'refund';
update accounts set available_minor = available_minor + 100
where program = 'cardops-prove' and user_id = 'ana';

-- damage: early_void_forgotten
delete from voided_ids where program = 'cardops-prove' and transaction_id = 't-tombstone';

-- damage: early_void_lost
delete from movements where program = 'cardops-prove' and transaction_id = 't-tombstone';
delete from voided_ids where program = 'cardops-prove' and transaction_id = 't-tombstone';

-- damage: permit_after_an_early_void
update decisions set status = 'PERMIT' where program = 'cardops-prove' and transaction_id = 't-tombstone';

-- damage: hold_ended_twice
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select program, 't-part', 'void', '', user_id, currency, 'PERMIT', 'void',
    1000, 0, 0, ledger_seq + 1, '{}', clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ana';
update accounts set ledger_seq = ledger_seq + 1 where program = 'cardops-prove' and user_id = 'ana';

-- damage: hold_state_changed
update holds set state = 'voided' where program = 'cardops-prove' and transaction_id = 't-part';

-- damage: hold_lost
delete from holds where program = 'cardops-prove' and transaction_id = 't-part';

-- damage: hold_without_decision
insert into holds (program, transaction_id, user_id, currency, state, held_minor, expires_at)
select program, 't-never', user_id, currency, 'voided', 0, now()
from accounts where program = 'cardops-prove' and user_id = 'ana';

-- damage: held_amount_changed
update holds set held_minor = held_minor + 100
where program = 'cardops-prove' and transaction_id = 't-held';
update accounts set available_minor = available_minor - 100, held_minor = held_minor + 100
where program = 'cardops-prove' and user_id = 'ana';

-- damage: captured_amount_changed
update holds set captured_minor = captured_minor + 100
where program = 'cardops-prove' and transaction_id = 't-part';

-- damage: response_changed
update decisions
set answer = convert_to(
    replace(convert_from(answer, 'UTF8'), '"status":"PERMIT"', '"status":"REJECT"'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-held';

-- damage: action_response_changed
update movements
set answer = convert_to(
    replace(convert_from(answer, 'UTF8'), '"state":"captured"', '"state":"voided"'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-part' and kind = 'capture';

-- damage: response_of_another_instant
update decisions
set answer = convert_to(
    regexp_replace(convert_from(answer, 'UTF8'), '"decided_at":"[0-9]+', '"decided_at":"2020'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-held';

-- damage: response_emptied
update decisions set answer = '{}' where program = 'cardops-prove' and transaction_id = 't-rejected';

-- damage: response_with_another_field
update decisions
set answer = convert_to(
    regexp_replace(convert_from(answer, 'UTF8'), '","amount"', '","amount":1.00,"reason":"","amount"'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-held';

-- damage: action_response_emptied
update movements set answer = '{}'
where program = 'cardops-prove' and transaction_id = 't-void' and kind = 'void';

-- damage: refund_response_of_another_amount
update movements
set answer = convert_to(
    regexp_replace(convert_from(answer, 'UTF8'), '"captured_amount":[0-9.]+', '"captured_amount":99.99'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-spent' and kind = 'refund'
    and movement_key = 'r-1';

-- damage: refund_response_of_another_state
update movements
set answer = convert_to(
    regexp_replace(convert_from(answer, 'UTF8'), '"state":"captured"', '"state":"voided"'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-spent' and kind = 'refund'
    and movement_key = 'r-2';

-- damage: capture_response_still_holds
update movements
set answer = convert_to(
    regexp_replace(convert_from(answer, 'UTF8'), '"held_amount":[0-9.]+', '"held_amount":77.00'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-part' and kind = 'capture';

-- damage: increment_response_of_another_amount
update movements
set answer = convert_to(
    regexp_replace(convert_from(answer, 'UTF8'), '"held_amount":[0-9.]+', '"held_amount":99.99'), 'UTF8'
)
where program = 'cardops-prove' and transaction_id = 't-raised' and movement_key = 'i-1';

-- damage: rejected_increment_of_another_amount
update movements set amount_minor = amount_minor - 1
where program = 'cardops-prove' and transaction_id = 't-raised' and movement_key = 'i-2';

-- damage: early_void_response_changed
update movements set answer = '{}x'
where program = 'cardops-prove' and transaction_id = 't-tombstone' and kind = 'void';

-- damage: callback_changed
update callbacks set body = body || '\x20' where program = 'cardops-prove' and transaction_id = 't-spent';

-- damage: callback_lost
delete from callbacks where program = 'cardops-prove' and transaction_id = 't-spent';

-- damage: decision_dated_earlier
update decisions set decided_at = decided_at - interval '40 days'
where program = 'cardops-prove' and transaction_id = 't-spent';

-- damage: action_dated_earlier
update movements set posted_at = posted_at - interval '30 days'
where program = 'cardops-prove' and transaction_id = 't-part' and kind = 'capture';

-- damage: hold_without_end
update holds set expires_at = expires_at + interval '10 years'
where program = 'cardops-prove' and transaction_id = 't-held';

-- damage: rejection_of_another_user
update decisions set user_id = 'ben' where program = 'cardops-prove' and transaction_id = 't-rejected';

-- damage: decision_in_another_currency
update decisions set currency = 'GBP' where program = 'cardops-prove' and transaction_id = 't-rejected';

-- damage: request_hash_changed
update decisions set question_hash = sha256('another') where program = 'cardops-prove' and transaction_id = 't-held';

-- damage: callback_to_another_url
update callbacks set url = 'https://elsewhere.example/hook'
where program = 'cardops-prove' and transaction_id = 't-spent';

-- damage: limit_lost
delete from spending_limits where program = 'cardops-prove' and user_id = 'ben';

-- damage: limit_raised
update spending_limits set max_amount_minor = max_amount_minor * 2 where program = 'cardops-prove' and user_id = 'ben';

-- damage: limit_change_lost
delete from limit_changes where program = 'cardops-prove' and user_id = 'ben';

-- damage: block_lifted
update users set is_blocked = false where program = 'cardops-prove' and user_id = 'cas';

-- damage: content_hash_changed
update deposit_events set content_hash = sha256('another')
where program = 'cardops-prove' and deposit_id = 'd-cas';

-- damage: credit_from_no_file
insert into deposit_events (
    program, deposit_id, user_id, currency, amount_minor, occurred_at, intake_id, row_number,
    content_hash, ledger_seq, posted_at
)
select program, 'd-planted', user_id, currency, 100000, now(), -1, 1, '\x00', ledger_seq + 1,
    clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ana';
update accounts set available_minor = available_minor + 100000, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ana';

-- damage: dead_file_with_credit
update intake_files set status = 'dead'
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);

-- damage: dead_file_with_doubled_amount
update intake_files set status = 'dead', outcome = null
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);
update deposit_events set amount_minor = amount_minor * 2
where program = 'cardops-prove' and deposit_id = 'd-cas';
update accounts set available_minor = available_minor * 2
where program = 'cardops-prove' and user_id = 'cas';

-- damage: deposit_doubled
update deposit_events set amount_minor = amount_minor * 2
where program = 'cardops-prove' and deposit_id = 'd-cas';
update accounts set available_minor = available_minor * 2
where program = 'cardops-prove' and user_id = 'cas';

-- damage: deposit_forged_everywhere
update intake_files
set outcome = jsonb_set(
    outcome, '{totals_minor,EUR}', to_jsonb(2 * (outcome -> 'totals_minor' ->> 'EUR')::bigint)
)
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);
update deposit_events set amount_minor = amount_minor * 2
where program = 'cardops-prove' and deposit_id = 'd-cas';
update accounts set available_minor = available_minor * 2
where program = 'cardops-prove' and user_id = 'cas';

-- damage: deposit_in_another_currency
update intake_files
set outcome = jsonb_set(outcome, '{totals_minor}', jsonb_build_object(
    'GBP', outcome -> 'totals_minor' -> 'EUR'
))
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);
update deposit_events
set currency = 'GBP',
    content_hash = sha256(convert_to(
        user_id || '|GBP|' || amount_minor || '|'
        || (extract(epoch from occurred_at) * 1000000)::bigint, 'UTF8'
    ))
where program = 'cardops-prove' and deposit_id = 'd-cas';
update accounts set currency = 'GBP' where program = 'cardops-prove' and user_id = 'cas';

-- damage: deposit_on_another_account
update deposit_events
set user_id = 'fay',
    content_hash = sha256(convert_to(
        'fay|' || currency || '|' || amount_minor || '|'
        || (extract(epoch from occurred_at) * 1000000)::bigint, 'UTF8'
    ))
where program = 'cardops-prove' and deposit_id = 'd-cas';
update accounts set user_id = 'fay' where program = 'cardops-prove' and user_id = 'cas';

-- damage: deposit_on_another_day
update deposit_events set posted_at = posted_at - interval '1 day'
where program = 'cardops-prove' and deposit_id = 'd-cas';

-- damage: row_not_credited
update intake_files
set outcome = outcome #- '{totals_minor,EUR}'
    || jsonb_build_object('accepted', (outcome ->> 'accepted')::bigint - 1)
    || jsonb_build_object('quarantined', (outcome ->> 'quarantined')::bigint + 1)
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);
delete from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas';
delete from accounts where program = 'cardops-prove' and user_id = 'cas';

-- damage: accepted_count_changed
update intake_files
set outcome = outcome || jsonb_build_object('accepted', (outcome ->> 'accepted')::bigint + 1)
    || jsonb_build_object('read', (outcome ->> 'read')::bigint + 1)
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);

-- damage: quarantined_count_changed
update intake_files
set outcome = outcome || jsonb_build_object('quarantined', (outcome ->> 'quarantined')::bigint - 1)
    || jsonb_build_object('read', (outcome ->> 'read')::bigint - 1)
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-cas'
);

-- damage: recall_without_deposit
insert into deposit_recalls (
    program, deposit_id, user_id, currency, amount_minor, recalled_by, ledger_seq, posted_at
)
select program, 'd-never', user_id, currency, 500, 'planted', ledger_seq + 1, clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ben';
update accounts set available_minor = available_minor - 500, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ben';

-- damage: recall_of_another_amount
update deposit_recalls set amount_minor = amount_minor + 500
where program = 'cardops-prove' and deposit_id = 'd-eve';
update accounts set available_minor = available_minor - 500
where program = 'cardops-prove' and user_id = 'eve';

-- damage: reinstatement_without_recall
insert into deposit_reinstatements (
    program, deposit_id, credit_number, user_id, currency, amount_minor, occurred_at, intake_id,
    row_number, content_hash, reinstated_by, reason, ledger_seq, posted_at
)
select e.program, e.deposit_id, 2, e.user_id, e.currency, e.amount_minor, e.occurred_at,
    e.intake_id, e.row_number, e.content_hash, 'planted', 'planted', a.ledger_seq + 1,
    clock_timestamp()
from deposit_events as e
inner join accounts as a using (program, user_id, currency)
where e.program = 'cardops-prove' and e.deposit_id = 'd-ben';
update accounts as a set available_minor = a.available_minor + e.amount_minor,
    ledger_seq = a.ledger_seq + 1
from deposit_events as e
where e.program = 'cardops-prove' and e.deposit_id = 'd-ben'
    and a.program = e.program and a.user_id = e.user_id and a.currency = e.currency;

-- damage: recalled_deposit_credited
update accounts as a set available_minor = a.available_minor + r.amount_minor,
    ledger_seq = r.ledger_seq - 1
from deposit_recalls as r
where r.program = 'cardops-prove' and r.deposit_id = 'd-eve'
    and a.program = r.program and a.user_id = r.user_id and a.currency = r.currency;
delete from deposit_recalls where program = 'cardops-prove' and deposit_id = 'd-eve';

-- damage: credit_taken_back_without_credit
insert into provisional_postings (
    program, network, case_number, step, kind, transaction_id, user_id, currency, amount_minor,
    policy, due_on, ledger_seq, posted_at
)
select program, 'visa', 'c-never', 'end', 'credit_taken_back', 't-never', user_id, currency, 500,
    'regulation_e', current_date, ledger_seq + 1, clock_timestamp()
from accounts where program = 'cardops-prove' and user_id = 'ben';
update accounts set available_minor = available_minor - 500, ledger_seq = ledger_seq + 1
where program = 'cardops-prove' and user_id = 'ben';

-- damage: credit_taken_back_of_another_amount
update provisional_postings set amount_minor = amount_minor + 100
where program = 'cardops-prove' and case_number = 'c-taken-back' and step = 'end';
update accounts set available_minor = available_minor - 100
where program = 'cardops-prove' and user_id = 'ana';

-- damage: credit_doubled
insert into provisional_postings (
    program, network, case_number, step, kind, transaction_id, user_id, currency, amount_minor,
    policy, due_on, ledger_seq, posted_at
)
select p.program, p.network, 'c-again', p.step, p.kind, p.transaction_id, p.user_id, p.currency,
    p.amount_minor, p.policy, p.due_on, a.ledger_seq + 1, clock_timestamp()
from provisional_postings as p
inner join accounts as a using (program, user_id, currency)
where p.program = 'cardops-prove' and p.case_number = 'c-kept';
update accounts as a set available_minor = a.available_minor + p.amount_minor,
    ledger_seq = a.ledger_seq + 1
from provisional_postings as p
where p.program = 'cardops-prove' and p.case_number = 'c-kept'
    and a.program = p.program and a.user_id = p.user_id and a.currency = p.currency;

-- damage: decided_credit_altered
insert into provisional_decisions (
    program, network, case_number, decision_number, step, reason, since_on, decision, decided_by,
    why, decided_on
)
values (
    'cardops-prove', 'visa', 'c-kept', 1, 'credit', 'notified_late', current_date, 'rejected',
    'planted', 'planted', current_date
);
update provisional_postings set decision_number = 1
where program = 'cardops-prove' and case_number = 'c-kept' and step = 'credit';

-- damage: credit_lost
update accounts as a set available_minor = a.available_minor - p.amount_minor
from provisional_postings as p
where p.program = 'cardops-prove' and p.case_number = 'c-kept'
    and a.program = p.program and a.user_id = p.user_id and a.currency = p.currency;
delete from provisional_postings where program = 'cardops-prove' and case_number = 'c-kept';

-- damage: credit_on_another_account
update accounts as a set available_minor = a.available_minor
    + case a.user_id when 'ben' then p.amount_minor else -p.amount_minor end
from provisional_postings as p
where p.program = 'cardops-prove' and p.case_number = 'c-taken-back' and p.step = 'credit'
    and a.program = p.program and a.currency = p.currency and a.user_id in ('ana', 'ben');
update provisional_postings set user_id = 'ben'
where program = 'cardops-prove' and case_number = 'c-taken-back' and step = 'credit';

-- damage: file_lost_by_the_store
delete from accounts where program = 'cardops-prove' and user_id = 'dan';
delete from intake_files
where intake_id = (
    select intake_id from deposit_events where program = 'cardops-prove' and deposit_id = 'd-dan'
);
delete from deposit_events where program = 'cardops-prove' and deposit_id = 'd-dan';

-- damage: exported_event_lost
delete from decisions where program = 'cardops-prove' and transaction_id = 't-rejected';

-- damage: exported_increment_lost
delete from movements
where program = 'cardops-prove' and transaction_id = 't-raised' and movement_key = 'i-2';

-- damage: exported_early_void_lost
delete from movements where program = 'cardops-prove' and transaction_id = 't-tombstone' and kind = 'void';

-- damage: due_file_missing
insert into expected_files (
    program, name, kind, name_pattern, due_at, time_zone, weekdays, month_days, grace_minutes,
    created_by, created_at
)
values (
    'cardops-prove', 'planted', 'deposits', 'planted-*.csv', '00:00', 'UTC', '{}', '{}', 0,
    'planted', now() - interval '2 days'
);
