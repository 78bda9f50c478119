-- Counts what no decision may overtake: voids of ids not seen yet, blocks, changed limits. A decision
-- is refused its commit when the number is not the one it was read with. Authorizers from before this
-- column do not look at it: stop them before this migration.
alter table programs add column revision bigint not null default 0;
