"""SQL of the named checks of stored responses: each is written again from the rows and compared.

Belongs here: SQL text, as in authorization_checks.py. Every figure, state, id and instant of a stored
response is in a row; only the text of `reason` is not, and may change from release to release.
"""

from typing import Final, LiteralString

# Responses are compared as text in escape format: that never fails, whatever the bytes. Who brings
# in decisions of another system has no response to them, and writes an empty object; of a decision
# that a partner requested, its key or request is known, and an empty object is a lost response.
DECISION_RESPONSES: Final[LiteralString] = """
with written as (
    select d.*, encode(d.answer, 'escape') as body, c.factor,
        '{{"transaction_id":"' || transaction_id || '"' as transaction_text,
        ',"authorization_id":"' || authorization_id || '"' as authorization_text,
        ',"status":"' || status || '","reason_code":"' || reason_code || '"' as outcome_text,
        '","amount":' || round(amount_minor / factor, exponent) || ',"currency":"' || d.currency || '"'
            as amount_text,
        ',"remaining_credit":' || round(remaining_minor / factor, exponent) as remaining_text,
        ',"decided_at":"'
            || to_char(decided_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"'
            as instant_text,
        ',"as_of":{{"ledger_seq":' || ledger_seq || '}}}}' as sequence_text
    from decisions as d
    inner join {currencies} on c.currency = d.currency
    where d.decided_at >= {since} and not (
        d.key_id is null and d.request_id is null and octet_length(d.answer) <= 2
    )
    offset 0
),
expected as (
    select *, transaction_text || authorization_text || outcome_text || ',"reason":"' as head,
        amount_text || remaining_text || instant_text || sequence_text as tail
    from written
)
select 'responses_agree_with_decisions', program, user_id, currency,
    'authorization ' || transaction_id || ': ' || coalesce(nullif(concat_ws(', ',
        case when strpos(body, transaction_text) = 0 then 'transaction_id' end,
        case when strpos(body, authorization_text) = 0 then 'authorization_id' end,
        case when strpos(body, outcome_text) = 0 then 'status or reason_code' end,
        case when strpos(body, amount_text) = 0 then 'amount or currency' end,
        case when strpos(body, remaining_text || ',') = 0 then 'remaining_credit' end,
        case when strpos(body, instant_text) = 0 then 'decided_at' end,
        case when strpos(body, sequence_text) = 0 then 'ledger_seq' end
    ), ''), 'form'),
    coalesce(round(substring(body from '"remaining_credit":(-?[0-9]{{1,18}}(?:\\.[0-9]{{1,4}})?)')::numeric
        * factor), 0),
    remaining_minor
from expected
where left(body, length(head)) <> head or right(body, length(tail)) <> tail
    or strpos(substr(body, length(head) + 1, length(body) - length(head) - length(tail)), '"') > 0
"""

# The authorization as an action left it: the decision's response, and what the rows say of state and
# amounts then. A raised hold holds what was raised up to the action's number; a rejected increment
# names the number that it saw. An early void knows no decision, and the currency of its program.
ACTION_RESPONSES: Final[LiteralString] = """
with touched as (
    select distinct program, transaction_id from movements where posted_at >= {since}
),
acted as (
    select m.*, coalesce(m.currency, p.currency) as shown_currency,
        coalesce(sum(m.amount_minor) filter (where m.kind = 'increment' and m.status = 'PERMIT') over (
            partition by m.program, m.transaction_id order by m.ledger_seq
        ), 0) as raised_minor
    from touched
    inner join movements as m using (program, transaction_id)
    left join programs as p using (program)
),
written as (
    select m.program, m.user_id, m.currency, m.transaction_id, m.kind, m.movement_key,
        encode(m.answer, 'escape') as body, c.factor, c.exponent, c.currency as shown_currency,
        case when m.user_id is null then 'null' else encode(d.answer, 'escape') end as decision,
        case m.kind when 'void' then 'voided' when 'expire' then 'expired' when 'increment' then 'held'
            else 'captured' end as state,
        case when m.kind = 'increment' then d.amount_minor + m.raised_minor else 0 end as held_minor,
        case
            when m.kind = 'capture' then m.amount_minor
            when m.kind = 'refund' and d.is_capture then d.amount_minor
            when m.kind = 'refund' then coalesce(h.captured_minor, 0)
            else 0
        end as captured_minor,
        case when m.kind = 'increment' then
            ',"increment":{{"id":"' || m.movement_key || '","status":"' || m.status
            || '","reason_code":"' || m.reason_code || '","amount":'
            || round(m.amount_minor / c.factor, c.exponent) || '}}' else '' end as increment
    from acted as m
    inner join {currencies} on c.currency = m.shown_currency
    left join decisions as d using (program, transaction_id)
    left join holds as h using (program, transaction_id)
    where m.user_id is null
        or (d.program is not null and not (
        d.key_id is null and d.request_id is null and octet_length(d.answer) <= 2
        and octet_length(m.answer) <= 2
    ))
)
select 'responses_agree_with_actions', program, user_id, currency,
    'authorization ' || transaction_id || ', ' || kind
        || case when movement_key = '' then '' else ' ' || movement_key end,
    coalesce(
        round(substring(body from '"captured_amount":([0-9]{{1,18}}(?:\\.[0-9]{{1,4}})?)')::numeric
            * factor), 0
    ),
    captured_minor
from written
where body <> '{{"decision":' || decision || ',"state":"' || state
    || '","held_amount":' || round(held_minor / factor, exponent)
    || ',"captured_amount":' || round(captured_minor / factor, exponent)
    || ',"currency":"' || shown_currency || '"' || increment || '}}'
"""
