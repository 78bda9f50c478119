-- What intake, delivery and export need to know beyond one process's life.

-- Rows on their way into accounts lie in an unlogged table a file (deposit_stage_<intake_id>),
-- made when the file is staged and dropped when it is done: nothing to vacuum, and its
-- statistics are its own. This row says how many there must be; a crash empties the table.
drop table deposit_stage;
create table deposit_stagings (
    intake_id bigint primary key,
    row_count bigint not null,
    staged_at timestamptz not null default now()
);

-- A chargeback file's number at its destination, allotted before the file is made.
create table delivery_sequences (
    batch_id text not null,
    network text not null,
    destination text not null,
    sequence bigint not null,
    primary key (batch_id, network),
    unique (destination, sequence)
);

-- Where the transaction ids stood when a day was exported after its end: the day is closed once
-- all below have ended. With the cluster's identity, which a restore changes.
alter table exported_days add column watermark text;
