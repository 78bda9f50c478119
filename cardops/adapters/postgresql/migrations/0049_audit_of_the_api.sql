-- What a partner's key changes beside money has an entry in the audit trail too.
alter table audit_entries drop constraint audit_entries_origin_check;
alter table audit_entries add constraint audit_entries_origin_check
    check (origin in ('ui', 'command', 'api'));
