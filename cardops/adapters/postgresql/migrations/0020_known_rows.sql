-- Accepted rows of kinds that no ledger applies, found by an id: judging a file reads the rows that
-- share its ids, and not the lake.

-- One row a judged file. Within its kind and program a file is judged after those with a lower
-- judged_order; it keeps its number for ever, so a repeat is judged among the same rows.
create table known_files (
    intake_id bigint primary key,
    kind text not null collate "C",
    program text not null collate "C",
    judged_order bigint not null,
    layout text not null,
    is_in_lake boolean not null,
    unique (kind, program, judged_order)
);

-- row_values: the values that later rows are compared with or take over, as one JSON array.
create table known_rows (
    kind text not null collate "C",
    program text not null collate "C",
    lookup_id text not null collate "C",
    intake_id bigint not null,
    row_number bigint not null,
    content_digest uuid not null,
    row_values text not null,
    primary key (kind, program, lookup_id, intake_id, row_number)
);
create index known_rows_by_file on known_rows (intake_id);

-- Kinds whose lake table was read into known_rows, under the layout of row_values.
create table known_row_builds (
    kind text primary key,
    layout text not null,
    completed_at timestamptz not null default now()
);
