-- Bank accounts that hold users' money. Append-only but for the end, so that past dates keep theirs
-- and the table says who added and removed an account.
create table safeguarding_accounts (
    program text not null references programs,
    account_id text not null check (account_id ~ '^[A-Za-z0-9_.:-]{1,64}$'),
    since_on date not null,
    until_on date check (until_on >= since_on),
    added_by text not null,
    added_at timestamptz not null default clock_timestamp(),
    removed_by text,
    removed_at timestamptz,
    primary key (program, account_id, added_at)
);
create unique index safeguarding_accounts_in_force on safeguarding_accounts (program, account_id)
where until_on is null;
