-- A new kind of input files needs no migration: the ledger checks the form of its name only.
alter table intake_files drop constraint intake_files_kind_check;
alter table intake_files
    add constraint intake_files_kind_check check (kind ~ '^[a-z][a-z0-9_]{0,31}$');
