-- The holidays of an account's bank, by the name of their calendar: no statement is due of them.
alter table safeguarding_accounts add column holidays text;
