-- Card programs, the keys of their partners, and the hosts their callbacks may reach.
-- Secrets of callbacks are in the secret store, never here.

create table programs (
    program text primary key check (program ~ '^[a-z0-9-]{1,32}$'),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    chargeback_mode text not null default 'by_network'
        check (chargeback_mode in ('by_network', 'size_balanced')),
    created_at timestamptz not null default now()
);

create table callback_hosts (
    program text not null,
    host text not null,
    primary key (program, host)
);

create table api_keys (
    key_id text primary key check (key_id ~ '^[A-Za-z0-9]+$'),
    program text not null,
    name text not null,
    is_test boolean not null,
    secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
    scopes text [] not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
