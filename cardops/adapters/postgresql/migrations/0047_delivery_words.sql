-- Who had a chargeback file delivered once more, and on which word. Rows are added and never changed.
create table delivery_words (
    word_id bigint generated always as identity primary key,
    batch_id text not null,
    network text not null,
    word text not null check (word in ('retry', 'received', 'send_again')),
    said_by text not null check (said_by <> ''),
    said_at timestamptz not null default now()
);
create index delivery_words_of_file on delivery_words (batch_id, network, word_id);
