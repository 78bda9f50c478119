-- Who changed what, where, and what became of it. Rows are added and never changed or deleted.
create table audit_entries (
    entry_id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    origin text not null check (origin in ('ui', 'command')),
    actor text not null check (actor <> ''),
    via text not null,
    action text not null check (action <> ''),
    subject text not null
);
create index audit_entries_at on audit_entries (at desc, entry_id desc);
create index audit_entries_of_actor on audit_entries (actor, at desc, entry_id desc);

-- Missing where the process ended first.
create table audit_results (
    entry_id bigint primary key references audit_entries,
    at timestamptz not null default clock_timestamp(),
    result text not null check (result in ('done', 'refused', 'failed')),
    detail text not null
);
