-- Accounts, organisers' own events, orders, payments, tickets. Instants are whole milliseconds since 1970 in UTC, save a
-- showtime's start, which is in seconds.

create table account (
    id         text primary key,
    username   text not null unique,  -- in lower case
    shown_as   text not null,
    password   text not null,         -- argon2id, in the PHC form
    email      text,
    location   text,
    role       text not null check (role in ('fan', 'organiser', 'staff', 'admin')),
    created_at integer not null,
    deleted_at integer
) strict, without rowid;

-- An organiser's title may be somebody else's too, so the event's table is made anew without that rule, and with it
-- those that refer to it.
create table event_anew (
    id           integer primary key,
    venue_id     integer not null references venue (id),
    organiser    text references account (id),  -- null: shipped with the program
    category     text not null,
    title        text not null,
    credit       text not null,
    description  text not null,
    cancelled_at integer
) strict;
insert into event_anew (id, venue_id, category, title, credit, description)
select id, venue_id, category, title, credit, description from event;

create table price_anew (
    event_id integer not null references event_anew (id),
    level    integer not null,
    amount   integer not null check (amount >= 0),
    primary key (event_id, level)
) strict, without rowid;
insert into price_anew select event_id, level, amount from price;

create table showtime_anew (
    id           integer primary key,
    event_id     integer not null references event_anew (id),
    starts_at    integer not null,
    cancelled_at integer,
    unique (event_id, starts_at)
) strict;
insert into showtime_anew (id, event_id, starts_at) select id, event_id, starts_at from showtime;

-- `changed` grows with every change of a claim, so that readers can ask for what changed since; `extended` says that its
-- hold was made longer once.
create table claim_anew (
    showtime_id integer not null references showtime_anew (id),
    seat        text not null,
    state       text not null check (state in ('held', 'paying', 'sold')),
    owner       text not null,
    hold_id     text not null,
    token       integer not null,
    expires_at  integer not null,
    order_id    text,
    changed     integer not null default 0,
    extended    integer not null default 0,
    primary key (showtime_id, seat)
) strict, without rowid;
insert into claim_anew (showtime_id, seat, state, owner, hold_id, token, expires_at, order_id)
select showtime_id, seat, state, owner, hold_id, token, expires_at, order_id from claim;

drop table claim;
drop table showtime;
drop table price;
drop table event;
alter table event_anew rename to event;
alter table price_anew rename to price;
alter table showtime_anew rename to showtime;
alter table claim_anew rename to claim;
create index event_venue on event (venue_id);
create index event_category on event (category);
create index showtime_starts_at on showtime (starts_at);
create index claim_changed on claim (showtime_id, changed);
create index claim_hold on claim (hold_id);
create index claim_owner on claim (owner, showtime_id);

alter table venue add column organiser text references account (id);
drop index venue_city;
create index venue_city on venue (lower(city));

-- Where a row stands and who its seats are for; hundredths of a seat's width, the stage at y = 0.
alter table seat_row add column x integer not null default 0;
alter table seat_row add column y integer not null default 0;
alter table seat_row add column accessible text not null default '[]';
update seat_row set y = (position + 1) * 100, x = -(seats - 1) * 50;

-- General admission: so many places without names.
create table open_section (
    venue_id integer not null references venue (id),
    position integer not null,
    name     text not null,
    label    text not null,
    level    integer not null,
    capacity integer not null check (capacity > 0),
    primary key (venue_id, position),
    unique (venue_id, label)
) strict, without rowid;

create table session (
    id         text primary key,
    account_id text not null references account (id),
    created_at integer not null,
    expires_at integer not null
) strict, without rowid;
create index session_account on session (account_id);

-- Failed logins by account name and by address.
create table login_failure (
    who        text primary key,
    failures   integer not null,
    forget_at  integer not null
) strict, without rowid;

-- The hash of a token that was mailed, never the token.
create table password_reset (
    token_hash text primary key,
    account_id text not null references account (id),
    expires_at integer not null
) strict, without rowid;

-- What signs user tokens and tickets. Several are believed at once; the newest signs.
create table signing_key (
    id         text primary key,
    purpose    text not null check (purpose in ('user', 'ticket')),
    secret     text not null,
    created_at integer not null
) strict, without rowid;

-- What changed in the catalogue. The version is taken under a lock that is kept until the commit, so the order of
-- versions is the order of commits, and a reader that has seen version N has seen all before it.
create table catalogue_change (
    version  integer primary key,
    event_id integer not null
) strict;
