//! How large or small what stands in a file may be, and why. Beyond a bound the file is refused, with the bound named.

use std::ops::RangeInclusive;
use std::time::Duration;

const fn secs(from: u64, to: u64) -> RangeInclusive<Duration> {
    RangeInclusive::new(Duration::from_secs(from), Duration::from_secs(to))
}

/// Bytes of a configuration file: a thousand routes are about 100 kB.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Public listeners of one edge.
pub const LISTEN_MAX: usize = 16;

/// Upstreams; each is a label value in metrics.
pub const UPSTREAMS_MAX: usize = 200;

/// Servers of one upstream.
pub const SERVERS_MAX: usize = 100;

/// Rooms; each is a label value in metrics and a line in the store.
pub const ROOMS_MAX: usize = 200;

/// Routes: every request walks them in order, and every route is compared with those before it when the file is read.
pub const ROUTES_MAX: usize = 1_000;

/// Hosts, methods or headers of one route.
pub const CONDITIONS_MAX: usize = 50;

/// Segments of a path pattern.
pub const SEGMENTS_MAX: usize = 32;

/// Networks whose forwarding headers are believed.
pub const TRUSTED_PROXIES_MAX: usize = 1_000;

/// Live visits of a room. Each is an entry in the store and on every edge that has seen it.
pub const ACTIVE: RangeInclusive<u32> = 1..=1_000_000;

/// Admissions a minute: 100,000 a second at most, a thousand times what one tick carries.
pub const ADMIT_PER_MIN: RangeInclusive<u32> = 0..=6_000_000;

/// Sockets of an edge: beyond a million, more processes serve better.
pub const SOCKETS: RangeInclusive<usize> = 1..=1_000_000;

/// Joins of one address in a minute.
pub const JOINS: RangeInclusive<u32> = 1..=6_000_000;

/// `drain_within`: no supervisor waits longer than five minutes.
pub const DRAIN_WITHIN: RangeInclusive<Duration> = secs(0, 300);

/// `visit_ttl` and `visit_max`: below a second clocks and round trips decide; no visit is longer than a day.
pub const VISIT: RangeInclusive<Duration> = secs(1, 24 * 3600);

/// `enter_within`: a slot is held meanwhile.
pub const ENTER_WITHIN: RangeInclusive<Duration> = secs(1, 600);

/// `away_after`: a page without scripts comes back in half of it, and not more often than once a second.
pub const AWAY_AFTER: RangeInclusive<Duration> = secs(2, 600);

/// `answer_within`: the line waits for nobody for longer than five minutes.
pub const ANSWER_WITHIN: RangeInclusive<Duration> = secs(1, 300);

/// `hold_ttl`: a held seat is a seat nobody can buy.
pub const HOLD_TTL: RangeInclusive<Duration> = secs(1, 24 * 3600);

/// `pay_within`: the seats are kept meanwhile. Below ten seconds nobody types a card's number.
pub const PAY_WITHIN: RangeInclusive<Duration> = secs(10, 24 * 3600);

/// `max_seats_per_fan`: one hold is one transaction over so many rows.
pub const SEATS_PER_FAN: RangeInclusive<u32> = 1..=100;

/// `refresh_every`: more often than ten times a second is a busy loop; an index a day old finds nothing new.
pub const REFRESH_EVERY: RangeInclusive<Duration> =
    RangeInclusive::new(Duration::from_millis(100), Duration::from_secs(24 * 3600));

/// `max_replica_lag`: Redis counts it in whole seconds; of more than a minute nobody would say that it failed over.
pub const MAX_REPLICA_LAG: RangeInclusive<Duration> = secs(1, 60);

/// `keys_ttl`: keys are read again every minute, so less than that would forget them between two readings.
pub const KEYS_TTL: RangeInclusive<Duration> = secs(120, 7 * 24 * 3600);

/// Characters of a cookie's name.
pub const COOKIE_NAME_LEN_MAX: usize = 64;

/// Servers of a store's URL. They are asked one after the other, and name the rest of their deployment.
pub const STORE_NODES_MAX: usize = 64;

/// Characters of the name that sentinels have for a primary.
pub const PRIMARY_NAME_LEN_MAX: usize = 128;

/// Characters of an admin token: 16 of the 64 that base64 has are 96 bits.
pub const ADMIN_TOKEN_LEN: RangeInclusive<usize> = 16..=256;

/// Characters of a name (of an upstream).
pub const NAME_LEN_MAX: usize = 48;

/// Characters of a notice. It goes out with every fan's next frame.
pub const NOTICE_LEN_MAX: usize = 500;

/// Characters of a page's title.
pub const TITLE_LEN_MAX: usize = 120;

/// Characters of one text of the waiting page.
pub const TEXT_LEN_MAX: usize = 500;

/// Languages with texts of their own, and texts of one language.
pub const TEXTS_MAX: usize = 100;

/// Bytes of a logo. It is inlined into a page that should stay under 14 kB compressed, the first flight of a
/// TCP connection.
pub const LOGO_BYTES_MAX: u64 = 8 * 1024;

/// Bytes of a page template.
pub const TEMPLATE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of a certificate chain or key file.
pub const PEM_BYTES_MAX: u64 = 256 * 1024;
