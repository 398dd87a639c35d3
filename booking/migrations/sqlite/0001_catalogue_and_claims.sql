-- Instants are whole numbers since 1970 in UTC: seconds for showtimes, milliseconds for claims.

create table meta (
    only_row          integer primary key check (only_row = 1),
    catalogue_version integer not null  -- 0: not yet filled; grows with every change to what follows
) strict;
insert into meta values (1, 0);

create table venue (
    id        integer primary key,
    name      text not null,
    city      text not null,
    country   text not null,
    time_zone text not null,
    currency  text not null,
    capacity  integer not null  -- the seats of its rows, kept so that lists need not add them up
) strict;
create index venue_city on venue (city collate nocase);

-- The seat map. Seats are numbered 1 to `seats` in each row and exist only as such.
create table seat_row (
    venue_id integer not null references venue (id),
    position integer not null,
    section  text not null,
    level    integer not null,
    label    text not null,
    seats    integer not null,
    primary key (venue_id, position),
    unique (venue_id, label)
) strict, without rowid;

create table event (
    id          integer primary key,
    venue_id    integer not null references venue (id),
    category    text not null,
    title       text not null unique,
    credit      text not null,
    description text not null
) strict;
create index event_venue on event (venue_id);
create index event_category on event (category);

create table price (
    event_id integer not null references event (id),
    level    integer not null,
    amount   integer not null check (amount >= 0),
    primary key (event_id, level)
) strict, without rowid;

create table showtime (
    id        integer primary key,
    event_id  integer not null references event (id),
    starts_at integer not null,
    unique (event_id, starts_at)
) strict;
create index showtime_starts_at on showtime (starts_at);

-- Where fencing tokens come from.
create table fence (
    only_row integer primary key check (only_row = 1),
    token    integer not null
) strict;
insert into fence values (1, 0);

-- The truth about a seat: at most one row for each (showtime, seat). No row, or an expired `held` one: the seat is free.
create table claim (
    showtime_id integer not null references showtime (id),
    seat        text not null,
    state       text not null check (state in ('held', 'paying', 'sold')),
    owner       text not null,
    hold_id     text not null,
    token       integer not null,
    expires_at  integer not null,
    order_id    text,
    primary key (showtime_id, seat)
) strict, without rowid;
