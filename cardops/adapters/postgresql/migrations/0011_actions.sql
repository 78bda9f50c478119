-- Which process releases expired holds: one at a time, so that several do not contend for the same
-- rows. Money does not depend on it. A new, empty table: no lock on a table that is in use.
create table sweeper_lease (
    name text primary key,
    holder text not null,
    expires_at timestamptz not null
);
