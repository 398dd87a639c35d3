-- What the sandbox provider must not forget. Instants are milliseconds since 1970.

-- A payment as one document; beside it what it is looked for by.
create table intent (
    seq     bigint generated always as identity primary key,
    id      text not null unique,
    ends_at bigint,           -- when it dies by itself
    record  text not null
);
create index intent_ends_at on intent (ends_at) where ends_at is not null;

create table metadata (
    name   text not null,
    value  text not null,
    intent bigint not null references intent (seq),
    primary key (name, value, intent)
);

-- Answers by idempotency key.
create table answer (
    key     text primary key,
    request text not null,
    status  bigint not null,
    body    text not null,
    at      bigint not null
);
create index answer_at on answer (at);

-- Webhooks to be sent.
create table webhook (
    seq    bigint generated always as identity primary key,
    body   text not null,
    due_at bigint not null,
    tries  bigint not null
);
create index webhook_due_at on webhook (due_at);
