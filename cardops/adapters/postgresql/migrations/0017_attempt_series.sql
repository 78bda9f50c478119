-- How often a file's attempts were counted from 1 again: after a success, a release, a reinstatement. A
-- sensor keeps its own count of runs and must not carry it into the next series.
alter table intake_files add column attempt_series integer not null default 0;
