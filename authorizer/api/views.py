"""Bodies of the read-only routes."""

from collections.abc import Sequence

from authorizer.api.schemas import CallbackOut
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.callbacks.callbacks import Callback, CallbackState
from cardops.rules.money import format_amount


def credit_body(user_id: str, accounts: Sequence[Account]) -> bytes:
    """A user's balances; amounts are JSON numbers with the currency's digits."""
    members = ",".join(map(_credit, accounts))
    return f'{{"user_id":"{user_id}","credit":[{members}]}}'.encode()


def callback_out(callback: Callback) -> CallbackOut:
    """A callback as it is listed."""
    is_pending = callback.state is CallbackState.PENDING
    return CallbackOut(
        id=callback.callback_id,
        transaction_id=callback.transaction_id,
        url=callback.url,
        status=callback.state.value,
        attempts=callback.attempt_count,
        created_at=instant_text(callback.created_at),
        next_attempt_at=instant_text(callback.next_attempt_at) if is_pending else None,
        last_status_code=callback.last_status_code,
        last_error=callback.last_error,
    )


def _credit(account: Account) -> str:
    currency = account.currency
    return (
        f'{{"currency":"{currency}"'
        f',"remaining_credit":{format_amount(account.available_minor, currency)}'
        f',"held":{format_amount(account.held_minor, currency)}'
        f',"ledger_balance":{format_amount(account.ledger_minor, currency)}}}'
    )
