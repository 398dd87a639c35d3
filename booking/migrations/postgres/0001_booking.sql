-- The whole of booking in PostgreSQL; the columns are those of the SQLite tables, which say what they mean.

create table meta (
    only_row          bigint primary key check (only_row = 1),
    catalogue_version bigint not null
);
insert into meta values (1, 0);

create table account (
    id         text primary key,
    username   text not null unique,
    shown_as   text not null,
    password   text not null,
    email      text,
    location   text,
    role       text not null check (role in ('fan', 'organiser', 'staff', 'admin')),
    created_at bigint not null,
    deleted_at bigint
);

create table session (
    id         text primary key,
    account_id text not null references account (id),
    created_at bigint not null,
    expires_at bigint not null
);
create index session_account on session (account_id);

create table login_failure (
    who       text primary key,
    failures  bigint not null,
    forget_at bigint not null
);

create table password_reset (
    token_hash text primary key,
    account_id text not null references account (id),
    expires_at bigint not null
);

create table signing_key (
    id         text primary key,
    purpose    text not null check (purpose in ('user', 'ticket')),
    secret     text not null,
    created_at bigint not null
);

create table venue (
    id        bigint primary key,
    organiser text references account (id),
    name      text not null,
    city      text not null,
    country   text not null,
    time_zone text not null,
    currency  text not null,
    capacity  bigint not null
);
create index venue_city on venue (lower(city));

create table seat_row (
    venue_id   bigint not null references venue (id),
    position   bigint not null,
    section    text not null,
    level      bigint not null,
    label      text not null,
    seats      bigint not null,
    x          bigint not null default 0,
    y          bigint not null default 0,
    accessible text not null default '[]',
    primary key (venue_id, position),
    unique (venue_id, label)
);

create table open_section (
    venue_id bigint not null references venue (id),
    position bigint not null,
    name     text not null,
    label    text not null,
    level    bigint not null,
    capacity bigint not null check (capacity > 0),
    primary key (venue_id, position),
    unique (venue_id, label)
);

create table event (
    id           bigint primary key,
    venue_id     bigint not null references venue (id),
    organiser    text references account (id),
    category     text not null,
    title        text not null,
    credit       text not null,
    description  text not null,
    cancelled_at bigint
);
create index event_venue on event (venue_id);
create index event_category on event (category);

create table price (
    event_id bigint not null references event (id),
    level    bigint not null,
    amount   bigint not null check (amount >= 0),
    primary key (event_id, level)
);

create table showtime (
    id           bigint primary key,
    event_id     bigint not null references event (id),
    starts_at    bigint not null,
    cancelled_at bigint,
    unique (event_id, starts_at)
);
create index showtime_starts_at on showtime (starts_at);

create table catalogue_change (
    version  bigint primary key,
    event_id bigint not null
);

create sequence fence_token;

-- `changed` is the transaction's number: a reader asks again for all from the oldest that was still running.
create table claim (
    showtime_id bigint not null,
    seat        text not null,
    state       text not null check (state in ('held', 'paying', 'sold')),
    owner       text not null,
    hold_id     text not null,
    token       bigint not null,
    expires_at  bigint not null,
    order_id    text,
    changed     bigint not null default 0,
    extended    bigint not null default 0,
    primary key (showtime_id, seat)
) with (fillfactor = 70);
create index claim_changed on claim (showtime_id, changed);
create index claim_hold on claim (hold_id);
create index claim_owner on claim (owner, showtime_id);

-- Claims the seats of a JSON array for a fan, or none of them, in one round trip. A row of somebody else is taken over
-- only where its hold has expired; the fan's own live hold keeps its deadline, so that asking again never makes it longer.
-- Where somebody else was quicker between the look and the claim, it fails with TG001 and nothing is held.
create function hold_seats(
    in_showtime bigint, in_seats text, in_owner text, in_hold text, in_ttl_ms bigint, in_seats_max bigint
) returns table (outcome text, seats text, token bigint, seconds_left bigint) language plpgsql as $$
declare
    now_ms   bigint := cast(extract(epoch from clock_timestamp()) * 1000 as bigint);
    wanted   text[] := array(select value from json_array_elements_text(cast(in_seats as json)) with ordinality
                                 as asked (value, key) order by key);
    found_at record;
    taken    text;
    has      bigint;
    fence    bigint;
    got      bigint;
    ends_at  bigint;
begin
    select showtime.starts_at, showtime.event_id, coalesce(showtime.cancelled_at, event.cancelled_at) as cancelled_at
        into found_at from showtime join event on event.id = showtime.event_id where showtime.id = in_showtime;
    if not found then
        return query select 'no_showtime', '', 0::bigint, 0::bigint;
        return;
    elsif found_at.cancelled_at is not null then
        return query select 'cancelled', '', 0::bigint, 0::bigint;
        return;
    elsif found_at.starts_at * 1000 <= now_ms then
        return query select 'started', '', 0::bigint, 0::bigint;
        return;
    end if;
    -- Two calls of one fan at once must not both find room under the limit.
    perform pg_advisory_xact_lock(hashtextextended(in_owner, found_at.event_id));
    select count(*) into has from claim where owner = in_owner
        and showtime_id in (select id from showtime where event_id = found_at.event_id)
        and (state <> 'held' or expires_at > now_ms)
        and not (showtime_id = in_showtime and seat = any (wanted));
    if has + cardinality(wanted) > in_seats_max then
        return query select 'over_limit', '', has, 0::bigint;
        return;
    end if;
    select json_agg(claim.seat) into taken from claim where showtime_id = in_showtime and claim.seat = any (wanted)
        and (state <> 'held' or (expires_at > now_ms and owner <> in_owner));
    if taken is not null then
        return query select 'taken', taken, 0::bigint, 0::bigint;
        return;
    end if;
    fence := nextval('fence_token');
    with put as (
        insert into claim (showtime_id, seat, state, owner, hold_id, token, expires_at, changed)
        select in_showtime, value, 'held', in_owner, in_hold, fence, now_ms + in_ttl_ms,
            cast(cast(pg_current_xact_id() as text) as bigint)
        from unnest(wanted) as asked (value)
        on conflict (showtime_id, seat) do update set
            extended = case when claim.expires_at > now_ms then claim.extended else 0 end,
            expires_at = case when claim.expires_at > now_ms then claim.expires_at else excluded.expires_at end,
            owner = excluded.owner, hold_id = excluded.hold_id, token = excluded.token, changed = excluded.changed
        where claim.state = 'held' and (claim.expires_at <= now_ms or claim.owner = excluded.owner)
        returning expires_at
    )
    select count(*), min(expires_at) into got, ends_at from put;
    if got < cardinality(wanted) then
        raise exception 'somebody was quicker' using errcode = 'TG001';
    end if;
    return query select 'held', '', fence, (ends_at - now_ms) / 1000;
end $$;
