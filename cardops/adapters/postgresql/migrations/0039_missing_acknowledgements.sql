-- When a missing acknowledgement was read after all, so that the nightly list of what is missing does not
-- read what was missing once. A constant default rewrites no row; the table has one for each such alarm.
alter table missing_acknowledgements add column answered_at timestamptz not null default 'infinity';
update missing_acknowledgements as m
set answered_at = a.read_at
from acknowledgement_files as a
where a.batch_id = m.batch_id and a.network = m.network and a.outcome = 'matched';
create index missing_acknowledgements_answered on missing_acknowledgements (answered_at);
