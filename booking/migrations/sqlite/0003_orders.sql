-- Orders, their payments and tickets, and what is still to be done about them. Instants are milliseconds since 1970.

create table orders (
    id          text primary key,
    owner       text not null,
    showtime_id integer not null references showtime (id),
    hold_id     text not null unique,  -- one order for each hold, however often it is asked for
    token       integer not null,      -- the fencing token under which its claims are its own
    email       text not null,         -- where its mails go; empty: nowhere
    lines       text not null,         -- the seats with their sections and prices, JSON
    state       text not null,         -- the same as in `doc`, for people and figures
    doc         text not null,         -- the order as the state machine knows it, JSON
    pay_by      integer not null,      -- until when the fan is asked to pay
    check_round integer not null default 0,
    check_at    integer,               -- when the next check is due
    called_off  integer not null default 0,  -- 1: has heard that its event will not take place
    lease       text not null default '',    -- who carries out its outbox, and until when
    leased_until integer not null default 0,
    created_at  integer not null
) strict, without rowid;
create index orders_owner on orders (owner, created_at);
create index orders_check on orders (check_at) where check_at is not null;
create index orders_showtime on orders (showtime_id, called_off);

-- A payment's page and secret, kept apart from the order: what the provider says of it is the order's to know.
create table payment (
    intent        text primary key,
    order_id      text not null references orders (id),
    page          text not null,
    client_secret text not null
) strict, without rowid;
create index payment_order on payment (order_id);

create table ticket (
    id          text primary key,
    order_id    text not null references orders (id),
    showtime_id integer not null references showtime (id),
    seat        text not null,
    section     text not null,
    amount      integer not null,
    owner       text not null,
    generation  integer not null default 0,  -- grows when the ticket is passed on; only the highest opens a gate
    issued_at   integer not null,
    used_at     integer,
    used_by     text,
    dead_at     integer
) strict, without rowid;
-- The last word: no seat has two live tickets, whatever anybody above believes.
create unique index ticket_live on ticket (showtime_id, seat) where dead_at is null;
create index ticket_order on ticket (order_id);
create index ticket_owner on ticket (owner);

-- What is to be done outside the database. `number` grows with each time an entry becomes due again, so that whoever was
-- at it in between does not end the new one.
create table outbox (
    order_id text not null references orders (id),
    key      text not null,
    number   integer not null,
    effect   text not null,
    made_at  integer not null,
    due_at   integer not null,
    tries    integer not null default 0,
    refusals integer not null default 0,  -- each has spent a key at the provider
    done_at  integer,
    primary key (order_id, key)
) strict, without rowid;
create index outbox_due on outbox (due_at) where done_at is null;

-- What the payment provider said unasked: first written down, then thought about.
create table payment_inbox (
    id          text primary key,
    kind        text not null,
    intent      text not null,
    won         integer,  -- how a dispute ended
    received_at integer not null,
    due_at      integer not null,
    tries       integer not null default 0,
    done_at     integer
) strict, without rowid;
create index payment_inbox_due on payment_inbox (due_at) where done_at is null;

-- The answers to writing calls that came with an `Idempotency-Key`.
create table idempotency (
    owner       text not null,
    key         text not null,
    fingerprint text not null,
    answer      text,     -- null while the first call is under way
    expires_at  integer not null,
    primary key (owner, key)
) strict, without rowid;
create index idempotency_expires on idempotency (expires_at);
