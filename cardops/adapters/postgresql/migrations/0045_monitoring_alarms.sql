-- One row for each alarm of a merchant, monitoring programme and month: before its line, and when it
-- was reached. It is written before the alarm is sent, so that no alarm is sent twice; one without
-- `sent_at` may not have been sent.
create table monitoring_alarms (
    program text not null collate "C",
    merchant_id text not null collate "C",
    programme text not null collate "C",
    month_on date not null,
    is_reached boolean not null,
    raised_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    primary key (program, merchant_id, programme, month_on, is_reached)
);
create index monitoring_alarms_unsent on monitoring_alarms (raised_at)
where sent_at is null;
