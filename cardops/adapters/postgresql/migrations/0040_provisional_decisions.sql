-- What persons decided about disputed purchases that waited. A new, empty table, and a column without a
-- default: neither rewrites the postings; the reference is checked against none that has a value.

-- Append-only. Of a dispute the last decision counts, for as long as what it was about is so: why the
-- purchase waited (reason) since when, and the amount. Two persons at once take the same number, and the
-- key refuses one of them.
create table provisional_decisions (
    program text not null,
    network text not null,
    case_number text not null,
    decision_number integer not null check (decision_number > 0),
    step text not null check (step in ('credit', 'end', 'after')),
    reason text not null,
    since_on date not null,
    judged_minor bigint,
    decision text not null check (decision in ('approved', 'rejected', 'deferred')),
    amount_minor bigint check (amount_minor > 0),
    until_on date check ((until_on is not null) = (decision = 'deferred')),
    decided_by text not null check (decided_by <> ''),
    why text not null check (why <> ''),
    decided_on date not null,
    decided_at timestamptz not null default clock_timestamp(),
    primary key (program, network, case_number, decision_number)
);

-- The decision that a posting followed; none where the clocks alone said so.
alter table provisional_postings add column decision_number integer;
alter table provisional_postings add constraint provisional_postings_decision
foreign key (program, network, case_number, decision_number) references provisional_decisions;
