-- The id of the request whose answer is owed: one id from the log line to the partner's own log.
alter table callbacks add column request_id text;
