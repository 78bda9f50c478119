-- How senders' files differ from the contract, by program and kind. A version never changes: another one
-- is added. A file keeps the version that was in force when it was claimed; files from before have none,
-- which is how they were read. Nothing is rewritten: the locks last for an instant.
set local lock_timeout = '1s';

create table file_mappings (
    program text not null references programs (program),
    kind text not null,
    version integer not null check (version > 0),
    definition jsonb not null check (jsonb_typeof(definition) = 'object'),
    set_by text not null check (set_by <> ''),
    why text not null check (why <> ''),
    set_at timestamptz not null default now(),
    primary key (program, kind, version)
);

alter table intake_files add column mapping_version integer;
