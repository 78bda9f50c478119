-- Whoever files a batch, or shows a dispute, asks which of its rows were released before, and into what.
create index waiting_disputes_releases on waiting_disputes (program, case_number)
where released_to is not null;
