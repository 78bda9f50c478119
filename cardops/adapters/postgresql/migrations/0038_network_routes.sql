-- Contracts of programs for card schemes that have no route of their own: jcb -> discover. Changes are
-- added, never altered; the last of a scheme is in force, and one without a network ends the contract.
create table network_route_changes (
    program text not null references programs,
    scheme text not null,
    change_number integer not null,
    network text check (network in ('visa', 'mastercard', 'amex', 'discover')),
    set_by text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (program, scheme, change_number)
);
