-- A breaker's alarm outlives the process that was to raise it, and rejected credentials are remembered.

-- From when on anybody raises the alarm that the destination is paused; null once it was raised. Whoever opened
-- a breaker before this migration raised its alarm at once.
alter table destination_breakers add column alarm_due_at timestamptz;
-- When the destination rejected the credentials, until a session with it succeeds.
alter table destination_breakers add column refused_at timestamptz;
