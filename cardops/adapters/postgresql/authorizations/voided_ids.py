"""Voids that arrive before their authorization, many at once, without a row that others lock.

1. The ids are announced in a commit of their own: every later decision on one of them is rejected.
2. Decisions that were being written meanwhile are waited for (writers.py).
3. In a new snapshot, an id either has a decision, and its void is one like any other; or it has
   none, or one that the announcement rejected, and the void is stored as the answer to the caller.

Killed in between, an announcement stays, and the next void of the id completes it.

Belongs here: these three steps. Voids of authorizations that have arrived are actions.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cardops.adapters.postgresql.authorizations.rows import column
from cardops.adapters.postgresql.authorizations.sql import rows_of
from cardops.adapters.postgresql.authorizations.writers import wait_for_decision_writers
from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.authorizations.actions import ActionResponse, ActionResult, AuthorizationAction
from cardops.rules.authorizations.decisions import IdKey
from cardops.rules.authorizations.records import tombstone_view

# Below the deadline of a request, so that its answer says what happened.
MAX_WAIT_SECONDS: Final = 2.5

# $1, $2: distinct ids, in their order.
ANNOUNCE: Final = f"""
insert into voided_ids (program, transaction_id)
select program, transaction_id from {rows_of(1, {"program": "text", "transaction_id": "text"})}
order by program, transaction_id
on conflict (program, transaction_id) do nothing
"""  # noqa: S608 - built from constants
_VOID: Final = {
    "program": "text", "transaction_id": "text", "answer": "text", "key_id": "text",
    "request_id": "text",
}  # fmt: skip
CURRENCIES: Final = "select program, currency from programs where program = any($1::text[])"
# One row per id without a decision of its own; is_new where no earlier void had been stored.
STORE: Final = f"""
with requested as (
    select t.*
    from {rows_of(1, _VOID)}
    left join decisions as d on d.program = t.program and d.transaction_id = t.transaction_id
    where d.program is null or d.reason_code = 'voided_before_arrival'
),
stored as (
    insert into movements (
        program, transaction_id, kind, movement_key, status, reason_code, amount_minor,
        posted_minor, held_change_minor, ledger_seq, answer, key_id, request_id, posted_at
    )
    select
        program, transaction_id, 'void', '', 'PERMIT', 'void', 0, 0, 0, 0,
        convert_to(answer, 'UTF8'), key_id, request_id, clock_timestamp()
    from requested
    order by program, transaction_id
    on conflict (program, transaction_id, kind, movement_key) do nothing
    returning program, transaction_id
)
select r.program, r.transaction_id, s.program is not null as is_new
from requested as r
left join stored as s on s.program = r.program and s.transaction_id = r.transaction_id
"""  # noqa: S608 - built from constants
# $1, $2: ids that were voided before.
EARLIER: Final = f"""
select m.program, m.transaction_id, m.answer
from {rows_of(1, {"program": "text", "transaction_id": "text"})}
inner join movements as m
    on m.program = t.program and m.transaction_id = t.transaction_id
    and m.kind = 'void' and m.movement_key = ''
"""  # noqa: S608 - built from constants


async def void_before_arrival(
    pool: Pool, voids: Sequence[AuthorizationAction]
) -> dict[IdKey, ActionResponse]:
    """The responses to voids of ids that have no decision; an id that has one is left out.

    Those are to be voided like any other authorization. Raises StoreUnavailableError where decisions
    in progress do not end in time; the same void again continues. Raises LocksHiddenError.
    """
    by_id = {(void.program, void.transaction_id): void for void in voids}
    ids = sorted(by_id)
    await pool.execute(ANNOUNCE, *_columns(ids))
    await wait_for_decision_writers(pool, MAX_WAIT_SECONDS)  # guard: voids-wait-for-decisions
    bodies = await _bodies(pool, ids)
    rows = await pool.fetch(
        STORE,
        *_columns(ids),
        column([bodies[program].decode() for program, _ in ids]),
        column([by_id[key].key_id or "" for key in ids]),
        column([by_id[key].request_id or "" for key in ids]),
    )
    is_new = {(row["program"], row["transaction_id"]): row["is_new"] for row in rows}
    responses = {
        key: ActionResponse(ActionResult.DONE, bodies[key[0]]) for key, new in is_new.items() if new
    }
    return responses | await _earlier(pool, sorted(is_new.keys() - responses.keys()))


async def _bodies(pool: Pool, ids: Sequence[IdKey]) -> Mapping[str, bytes]:
    """The response to such a void, by program."""
    programs = sorted({program for program, _ in ids})
    rows = await pool.fetch(CURRENCIES, programs)
    return {row["program"]: tombstone_view(row["currency"]).body() for row in rows}


async def _earlier(pool: Pool, ids: Sequence[IdKey]) -> dict[IdKey, ActionResponse]:
    """The stored responses to earlier voids of these ids."""
    if not ids:
        return {}
    rows = await pool.fetch(EARLIER, *_columns(ids))
    return {
        (row["program"], row["transaction_id"]): ActionResponse(
            ActionResult.REPLAYED, row["answer"]
        )
        for row in rows
    }


def _columns(ids: Sequence[IdKey]) -> list[str]:
    return [column([program for program, _ in ids]), column([name for _, name in ids])]
