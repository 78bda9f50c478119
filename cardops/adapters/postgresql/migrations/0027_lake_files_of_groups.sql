-- Small files that were ingested together share one Parquet file in the lake: that of the first of
-- them. Null: the file has its own. Fixed before rows are written, so that whoever writes a file's rows
-- later, after a crash or as a repeat, replaces them where they are.
alter table intake_files add column lake_file_id bigint;
