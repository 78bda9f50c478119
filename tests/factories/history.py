"""A database with a long history: what a card program has after a while, in its usual proportions."""

from datetime import timedelta

import psycopg

# Each day has the same share of everything; today is the last one.
DAYS = 40

_FILL = """
insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD')
on conflict do nothing;
insert into api_keys (key_id, program, name, is_test, secret_sha256, scopes)
select 'key' || n, 'default', 'k', false, sha256(n::text::bytea), '{}' from generate_series(1, 50) as n;
insert into accounts (program, user_id, currency, available_minor, held_minor, ledger_seq)
select 'default', 'user_' || n, 'USD', 1000000, 1000, 1
from generate_series(1, %(rows)s / 4) as n;
insert into users (program, user_id, is_blocked)
select 'default', 'user_' || n, n %% 2 = 0 from generate_series(1, %(rows)s / 20) as n;
insert into limit_changes (program, user_id, changed_by)
select 'default', 'user_' || n, 'somebody' from generate_series(1, %(rows)s / 20) as n;

insert into intake_files (
    kind, program, bucket, key, version, content_sha256, size_bytes, business_date, batch_id,
    status, outcome
)
select
    (array['deposits', 'transactions', 'orders', 'chargebacks'])[n %% 4 + 1], 'default', 'raw',
    'incoming/file_' || n, 'v1', md5(n::text), 100, (at - n * step)::date,
    case when n %% 4 = 3 then 'default-' || n end,
    case when n %% 200 = 0 then 'refused' when n %% 1000 = 1 then 'claimed' else 'applied' end,
    '{"read": 1, "accepted": 1, "duplicate": 0, "quarantined": 0, "reasons": {}, "flags": {}, '
    '"totals_minor": {"USD": 1}, "unknown_columns": []}'
from generate_series(1, %(rows)s / 8) as n,
    (select now() as at, interval '%(days)s days' / (%(rows)s / 8.0) as step) as t;
insert into waiting_rows (intake_id, row_number, kind, program, reference_id, released_to)
select n, 1, 'chargebacks', 'default', 'txn_' || n, case when n %% 50 <> 0 then n end
from generate_series(1, %(rows)s / 8) as n;
insert into quarantine_releases (intake_id, row_number)
select n, 1 from generate_series(1, %(rows)s / 8, 3) as n;
insert into source_policies (program, control_policy, wait_minutes, caps, changed_by)
select 'default', 'none', 60, '{}', 'somebody' from generate_series(1, 300);
insert into sender_keys (program, key_id, public_key, added_by)
select 'default', 'key_' || n, decode(repeat('00', 32), 'hex'), 'somebody'
from generate_series(1, 3) as n;
insert into source_checks (intake_id, totals)
select n, '{"USD": 1}' from generate_series(1, %(rows)s / 8) as n;
insert into file_holds (
    intake_id, hold_number, reason, sentence, row_count, totals, ending, ended_at
)
select n, 1, 'approval', 'sentence', 1, '{"USD": 1}', 'approved', now()
from generate_series(1, %(rows)s / 8) as n;
insert into file_approvals (intake_id, hold_number, person, approved_by, reason)
select n, 1, 'boss', 'boss', 'seen' from generate_series(1, %(rows)s / 8) as n;
insert into file_submitters (bucket, key, submitted_by)
select 'raw', 'incoming/file_' || n, 'somebody' from generate_series(1, %(rows)s / 8) as n;
insert into released_keys (bucket, key, content_sha256)
select 'raw', 'incoming/file_' || n, md5(n::text) from generate_series(1, %(rows)s / 8) as n;
insert into known_files (intake_id, kind, program, judged_order, layout, is_in_lake)
select n, 'transactions', 'default', n, 'layout', true from generate_series(1, %(rows)s / 8) as n;
insert into known_rows (
    kind, program, lookup_id, intake_id, row_number, content_digest, row_values
)
select
    'transactions', 'default', 'txn_' || n, 1 + n %% (%(rows)s / 8), n, md5(n::text)::uuid,
    '{"v":["txn","order","100","USD"]}'
from generate_series(1, %(rows)s) as n;
insert into missing_files (program, name, due_at, reported_at, resolved_at)
select 'default', 'file_' || n %% 10, now() - n * interval '1 hour', now(),
    case when n > 50 then now() end
from generate_series(1, %(rows)s / 8) as n;
insert into dispute_alarms (
    program, network, case_number, stage, opening_number, reply_by_on, level, sent_at
)
select 'default', 'visa', 'case-' || n, 'chargeback', 1, current_date - n / 100, 'missed', now()
from generate_series(1, %(rows)s / 4) as n;
insert into monitoring_alarms (program, merchant_id, programme, month_on, is_reached, sent_at)
select 'default', 'merchant-' || n, 'visa_vamp', current_date, false, now()
from generate_series(1, %(rows)s / 8) as n;
insert into delivery_words (batch_id, network, word, said_by)
select 'batch-' || n, 'visa', 'retry', 'ann' from generate_series(1, %(rows)s / 8) as n;
insert into audit_entries (at, origin, actor, via, action, subject)
select now() - n * interval '1 minute', 'command', 'ann-' || n %% 50, 'root@host', 'block user', 'user_' || n
from generate_series(1, %(rows)s / 4) as n;
insert into audit_results (entry_id, result, detail) select entry_id, 'done', '' from audit_entries;
insert into alarm_incidents (
    incident_key, subject, message, severity, state, first_seen_at, opened_at, last_seen_at,
    seen_count, opened_count, resolved_at
)
select 'run:' || n, 'subject', 'message', 'error', case when n > 50 then 'resolved' else 'open' end,
    now(), now(), now() - n * interval '1 minute', 1, 1, case when n > 50 then now() end
from generate_series(1, %(rows)s / 8) as n;
insert into alarm_events (incident_id, at, event, note)
select incident_id, now(), 'opened', '' from alarm_incidents;
insert into alarm_messages (
    incident_id, channel, event, severity, subject, message, told_at, due_at, attempt_count, sent_at
)
select incident_id, 'mail', 'opened', 'error', 's', 'm', now(),
    case when incident_id < 50 then now() end, 1, case when incident_id >= 50 then now() end
from alarm_incidents;
insert into dispute_evidence (
    program, network, case_number, change_number, is_removed, item, content_sha256, file_name,
    media_type, size_bytes, changed_by, why
)
select 'default', 'visa', 'evidence-' || n, 1, false, 'receipt', n::text, 'f.pdf', 'application/pdf', 1,
    'ann', ''
from generate_series(1, %(rows)s / 8) as n;

insert into evidence_packages (
    program, network, case_number, package_number, stage, opening_number, batch_id, action, manifest,
    files, sent_by, why
)
select 'default', 'visa', 'evidence-' || n, 1, 'chargeback', 1, 'evidence-' || n / 4, 'represent', '{}',
    '[]', 'ann', ''
from generate_series(1, %(rows)s / 8) as n;

insert into dispute_records (
    program, network, case_number, record_number, kind, stage, opening_number, record_text, recorded_by
)
select 'default', 'visa', 'case-' || n, 1, 'accept', 'chargeback', 1, 'why', 'ann'
from generate_series(1, %(rows)s / 8) as n;
insert into chargeback_batches (
    batch_id, program, business_date, number, mode, filed_at, made_slots
)
select
    'default-' || n, 'default', current_date - n / 100, n %% 100, 'by_network',
    now() - n * interval '1 hour', '{"visa": 1, "mastercard": 0, "amex": 0, "discover": 0}'
from generate_series(1, %(rows)s / 8) as n;
insert into waiting_disputes (
    intake_id, row_number, wait_number, program, batch_id, network, case_number, stage, reason,
    waiting_since, released_to
)
select
    n, 1, 1, 'default', 'default-' || n, 'visa', 'c' || n, 'chargeback', 'duplicate_case',
    now() - n * interval '1 hour', case when n > 20 then 'default-' || n - 20 end
from generate_series(1, %(rows)s / 8) as n;
insert into delivery_sequences (batch_id, network, destination, sequence)
select 'default-' || n, 'visa', 'visa', n from generate_series(1, %(rows)s / 8) as n;
insert into deliveries (
    batch_id, network, program, destination, sequence, file_name, row_count, totals,
    content_sha256, control_sha256, state, made_at
)
select
    'default-' || n, 'visa', 'default', 'visa', n, 'CB_' || n, 1, '{}', 'aa', 'bb',
    case when n %% 500 = 0 then 'failed' else 'delivered' end, now() - n * interval '1 minute'
from generate_series(1, %(rows)s / 8) as n;
insert into acknowledgement_files (
    destination, file_name, content_sha256, revision, outcome, batch_id, network, read_at
)
select
    'visa', n || '.ack.json', 'aa', '1/1', 'matched', 'default-' || n, 'visa',
    now() - n * interval '1 minute'
from generate_series(1, %(rows)s / 8) as n;
insert into acknowledgement_rejections (
    batch_id, network, intake_id, row_number, case_number, stage, action_sequence, code, reason
)
select 'default-' || n, 'visa', n, 1, 'c' || n, 'chargeback', 1, 'unknown_arn', ''
from generate_series(1, %(rows)s / 8) as n;
insert into missing_acknowledgements (batch_id, network, answered_at)
select
    'default-' || n, 'visa',
    case when n %% 500 = 0 then 'infinity' else now() - n * interval '1 minute' end
from generate_series(1, %(rows)s / 8) as n;

insert into deposit_events (
    program, deposit_id, user_id, currency, amount_minor, occurred_at, intake_id, row_number,
    content_hash, ledger_seq, posted_at
)
select
    'default', 'dep_' || n, 'user_' || (n %% (%(rows)s / 4) + 1), 'USD', 100, at, n / 50 + 1, n,
    '', n, at - (%(rows)s - n) * step
from generate_series(1, %(rows)s) as n,
    (select now() as at, interval '%(days)s days' / %(rows)s as step) as t;
insert into deposit_recalls (
    program, deposit_id, user_id, currency, amount_minor, recalled_by, ledger_seq, posted_at
)
select program, deposit_id, user_id, currency, amount_minor, 'somebody', ledger_seq, posted_at
from deposit_events where intake_id %% 10 = 3;
insert into deposit_reinstatements (
    program, deposit_id, credit_number, user_id, currency, amount_minor, occurred_at, intake_id,
    row_number, content_hash, reinstated_by, reason, ledger_seq, posted_at
)
select
    program, deposit_id, 2, user_id, currency, amount_minor, occurred_at, intake_id, row_number,
    content_hash, 'somebody', 'a mistake', ledger_seq, posted_at
from deposit_events where intake_id %% 2 = 1;
insert into reinstatement_requests (intake_id, request_number, requested_by, reason, finished_at)
select distinct on (intake_id) intake_id, 1, 'somebody', 'a mistake', posted_at
from deposit_reinstatements;
insert into reinstatement_requests (intake_id, request_number, requested_by, reason, finished_at)
select 1000000 + n, 1, 'somebody', 'a mistake', now() from generate_series(1, %(rows)s / 20) as n;

insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
)
select
    'default', 'txn_' || n, 'auth_' || n, sha256(n::text::bytea),
    'user_' || (n * 7 %% (%(rows)s / 4) + 1), 'USD', 10, n %% 5 <> 0,
    case when n %% 10 = 9 then 'REJECT' else 'PERMIT' end, 'sufficient_credit', 5, n, '{}',
    at - (%(rows)s - n) * step
from generate_series(1, %(rows)s) as n,
    (select now() as at, interval '%(days)s days' / %(rows)s as step) as t;
insert into holds (
    program, transaction_id, user_id, currency, state, held_minor, expires_at
)
select
    program, transaction_id, user_id, currency,
    case when decided_at > now() - interval '1 day' then 'held' else 'captured' end, 10,
    decided_at + interval '7 days'
from decisions where not is_capture and status = 'PERMIT';
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select
    program, transaction_id, case when n %% 3 = 0 then 'increment' else 'capture' end, '', user_id,
    currency, 'PERMIT', 'x', 10, -10, -10, ledger_seq, '{}', decided_at
from (select *, row_number() over () as n from decisions where not is_capture) as d;

insert into provisional_policies (program, change_number, policy, since_on, notice_days, withheld_minor, set_by)
select 'default', n, 'regulation_e', current_date, 2, 0, 'somebody' from generate_series(1, 5) as n;
insert into provisional_postings (
    program, network, case_number, step, kind, transaction_id, user_id, currency, amount_minor,
    policy, due_on, ledger_seq, posted_at
)
select
    program, 'visa', 'case_' || n, step, kind, transaction_id, user_id, currency, 1,
    'regulation_e', decided_at::date, ledger_seq, decided_at
from (select *, row_number() over () as n from decisions where status = 'PERMIT' and is_capture) as d
cross join (values ('credit', 'provisional_credit'), ('end', 'credit_taken_back')) as s (step, kind)
where step = 'credit' or n %% 2 = 0;
insert into provisional_decisions (
    program, network, case_number, decision_number, step, reason, since_on, decision, decided_by,
    why, decided_on
)
select program, network, case_number, 1, 'end', 'amount_lowered', due_on, 'approved', 'somebody',
    'seen', due_on
from provisional_postings where step = 'credit';
insert into provisional_notices (
    program, network, case_number, kind, notice_number, sent_on, recorded_by
)
select program, network, case_number, 'credit', 1, due_on, 'somebody'
from provisional_postings where step = 'credit';

insert into callbacks (
    callback_id, program, transaction_id, url, body, state, attempt_count, next_attempt_at,
    created_at, ended_at
)
select
    'cb_' || lpad(to_hex((extract(epoch from decided_at) * 1000000)::bigint), 16, '0')
        || lpad(to_hex(n), 16, '0'),
    program, transaction_id, 'https://host' || n %% 20 || '.example.com/hook', '{}',
    case when n %% 400 = 0 then 'dead' when n > %(rows)s - 200 then 'pending' else 'delivered' end,
    1, decided_at, decided_at, case when n <= %(rows)s - 200 then decided_at end
from (select *, row_number() over (order by decided_at) as n from decisions) as d;
insert into callback_attempts (
    callback_id, started_at, attempt_count, duration_milliseconds, status_code
)
select callback_id, created_at, 1, 20, 200 from callbacks;
insert into callback_endpoints (
    program, endpoint, failing_since, last_failed_at, failure_count, disabled_at, closed_at
)
select
    'default', 'https://failing' || n || '.example.com/', at, at, 1,
    case when n %% 500 = 0 then at end, case when n %% 500 = 0 then at end
from generate_series(1, %(rows)s / 8) as n,
    (select now() - interval '1 day' as at) as t;
insert into exported_days (business_date, exported_at, is_closed, row_count, content_sha256)
select current_date - n, now(), n > 2, 0, '' from generate_series(1, %(days)s) as n;
"""


def fill_history(session: psycopg.Connection, rows: int, *, days: int = DAYS) -> None:
    """Give each table its share of so many decisions over so many days, and statistics of them."""
    session.execute((_FILL % {"rows": rows, "days": days}).encode())
    session.execute("vacuum analyze")


HISTORY = timedelta(days=DAYS)
