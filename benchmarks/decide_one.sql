-- The limit: the same work for one decision, done inside the database by one call. It must stay
-- the fastest honest form: lock the account, look up the id, guarded debit, insert, nothing more.
create or replace function decide_one(
    p_program text, p_transaction_id text, p_user_id text, p_amount_minor bigint
) returns text language plpgsql as $$
declare
    v_available bigint;
    v_seq bigint;
    v_answer bytea;
begin
    select available_minor, ledger_seq into v_available, v_seq
    from accounts
    where program = p_program and user_id = p_user_id and currency = 'USD'
    for update;
    select answer into v_answer
    from decisions
    where program = p_program and transaction_id = p_transaction_id;
    if found then
        return 'REPLAY';
    end if;
    update accounts
    set available_minor = available_minor - p_amount_minor, ledger_seq = ledger_seq + 1
    where program = p_program and user_id = p_user_id and currency = 'USD'
        and available_minor >= p_amount_minor
    returning available_minor, ledger_seq into v_available, v_seq;
    if found then
        insert into decisions (
            program, transaction_id, authorization_id, question_hash, user_id, currency,
            amount_minor, is_capture, status, reason_code, remaining_minor, ledger_seq, answer,
            decided_at
        ) values (
            p_program, p_transaction_id, p_transaction_id, decode(md5(p_transaction_id), 'hex'),
            p_user_id, 'USD', p_amount_minor, true, 'PERMIT', 'sufficient_credit', v_available,
            v_seq, convert_to(repeat('x', 320), 'UTF8'), now()
        );
        return 'PERMIT';
    end if;
    insert into decisions (
        program, transaction_id, authorization_id, question_hash, user_id, currency,
        amount_minor, is_capture, status, reason_code, remaining_minor, ledger_seq, answer,
        decided_at
    ) values (
        p_program, p_transaction_id, p_transaction_id, decode(md5(p_transaction_id), 'hex'),
        p_user_id, 'USD', p_amount_minor, true, 'REJECT', 'insufficient_credit', v_available,
        v_seq, convert_to(repeat('x', 320), 'UTF8'), now()
    );
    return 'REJECT';
end
$$;
