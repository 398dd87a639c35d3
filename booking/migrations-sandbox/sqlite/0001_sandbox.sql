-- What the sandbox provider must not forget. Instants are milliseconds since 1970.

-- A payment as one document; beside it what it is looked for by.
create table intent (
    seq     integer primary key,
    id      text not null unique,
    ends_at integer,          -- when it dies by itself
    record  text not null
) strict;
create index intent_ends_at on intent (ends_at) where ends_at is not null;

create table metadata (
    name   text not null,
    value  text not null,
    intent integer not null references intent (seq),
    primary key (name, value, intent)
) strict, without rowid;

-- Answers by idempotency key.
create table answer (
    key     text primary key,
    request text not null,
    status  integer not null,
    body    text not null,
    at      integer not null
) strict, without rowid;
create index answer_at on answer (at);

-- Webhooks to be sent.
create table webhook (
    seq    integer primary key,
    body   text not null,
    due_at integer not null,
    tries  integer not null
) strict;
create index webhook_due_at on webhook (due_at);
