-- Blocks, limits and voids that arrive first no longer pass through the program's row, which every
-- decision had to share-lock (docs/decisions/0032). Authorizers from before this migration do not
-- look at what it adds: stop them first.

-- Ids that were voided before their authorization arrived. A decision looks its ids up here, and is
-- refused its commit when one of them was announced since. Rows stay for ever, as decisions do.
create table voided_ids (
    program text not null,
    transaction_id text not null,
    announced_at timestamptz not null default clock_timestamp(),
    primary key (program, transaction_id)
);

-- One pass over movements, which only reads: about a second per five million rows. It comes before
-- the statement that locks accounts.
insert into voided_ids (program, transaction_id, announced_at)
select
    program,
    transaction_id,
    posted_at
from movements
where kind = 'void' and movement_key = '' and user_id is null;

-- Rises with every change that a decision on this account must not overtake: a block of its user, a
-- changed limit of its user. Rewrites nothing: PostgreSQL 11 and later keep a constant default
-- beside the table. The exclusive lock on accounts lasts for an instant.
alter table accounts add column revision bigint not null default 0;
