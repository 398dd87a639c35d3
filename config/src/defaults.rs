//! What a key is worth when the file leaves it out, and why that number.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::{LoginFor, Mode, OnStoreLoss, OnTurn, Payments};

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The public listener. Loopback, so that nothing is open to the world before somebody says so.
pub const EDGE_LISTEN: SocketAddr = loopback(8080);

/// The admin listener. Loopback: whoever reaches it can open the room.
pub const ADMIN_LISTEN: SocketAddr = loopback(9090);

/// The booking service's listener, beside the edge's and not reachable past it.
pub const BOOKING_LISTEN: SocketAddr = loopback(8081);

/// The search service's listener, likewise.
pub const SEARCH_LISTEN: SocketAddr = loopback(8082);

/// Keys, journal and databases, in the folder the process was started in: easy to find and to throw away.
pub const DATA_DIR: &str = "tidegate-data";

/// The reserved prefix. An underscore begins no path of any common framework, so it hides nothing of a site.
pub const PREFIX: &str = "/_tidegate/";

/// Sockets an edge holds: 20,000 open files are what a process may commonly have, less 2,000 for page requests,
/// connections to upstreams, the journal and the admin listener.
pub const SOCKETS_MAX: usize = 18_000;

/// Sockets from one address: a third of an edge. Carriers and campuses put thousands of honest fans behind one
/// address, so it must be large; one address must still leave most of the edge to everybody else. A rehearsal of
/// 15,000 fans from four loopback addresses opens 3,750 from each.
pub const SOCKETS_PER_ADDRESS_MAX: usize = 6_000;

/// Joins without a place token from one address in a minute: as many as it may hold sockets, so that everyone behind
/// a shared address can join in the first minute of a drop, and a script gets at most 100 numbers a second (numbers
/// nobody holds cost nothing, so this is a bound on noise and not what keeps the line fair).
pub const JOINS_PER_ADDRESS_PER_MIN: u32 = 6_000;

/// A drain: below the 30 s after which most supervisors kill, and long enough to say goodbye to 18,000 sockets with
/// jitter, so that they do not all come back in one second.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Straight through until the room is full: a room nobody has to watch.
pub const MODE: Mode = Mode::Auto;

/// A visit without requests: somebody choosing seats and looking for a card stays, a closed tab is soon a free slot.
pub const VISIT_TTL: Duration = Duration::from_secs(5 * 60);

/// A whole visit: long enough for a slow purchase twice over, and the bound on how long a page that polls by itself
/// can keep others waiting.
pub const VISIT_MAX: Duration = Duration::from_secs(30 * 60);

/// From admission to the first request with the visit cookie: a phone on a crowded network loading two pages. The
/// slot is held meanwhile, so not longer.
pub const ENTER_WITHIN: Duration = Duration::from_secs(60);

/// Unseen for this long is away: above the 15 s at which a page without scripts comes back, with one miss allowed.
pub const AWAY_AFTER: Duration = Duration::from_secs(30);

/// An answer the page gives by itself: a round trip on a bad network, and a few lost packets. The line goes on after it.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// An answer the fan gives by pressing a button: time to look up from something else.
pub const ANSWER_WITHIN_CONFIRM: Duration = Duration::from_secs(30);

/// The page answers by itself: nobody loses a turn for having looked away.
pub const ON_TURN: OnTurn = OnTurn::Enter;

/// Nobody is let through because something broke.
pub const ON_STORE_LOSS: OnStoreLoss = OnStoreLoss::Hold;

/// Off: one event that is gone must not close a room in which others are still on sale.
pub const SOLD_OUT_BY_STOCK: bool = false;

/// The waiting page is an answer and no failure: caches and monitors must not take a full room for an outage.
pub const WAITING_STATUS: u16 = 200;

/// How long an old primary answers after a failover: what Redis ships as `min-replicas-max-lag`. A longer one holds
/// back more slots after a failover, a shorter one stops writes when a replica is slow for a moment.
pub const MAX_REPLICA_LAG: Duration = Duration::from_secs(10);
/// The same for a server that is alone: nothing takes its place but itself, with what it wrote a second ago.
pub const MAX_REPLICA_LAG_ALONE: Duration = Duration::from_secs(1);

/// The page to log in at, where most sites have it, booking among them.
pub const LOGIN_PATH: &str = "/login";

/// The cookie in which booking keeps a login.
pub const USER_COOKIE: &str = "booking_user";

/// How long keys of users are believed that cannot be read again: longer than any restart of the service that has them,
/// and long enough for somebody to be woken. A key that was taken back is believed no longer than this, at worst.
pub const KEYS_TTL: Duration = Duration::from_secs(3600);

/// Booking's database, a file under `data_dir`.
pub const DATABASE_FILE: &str = "booking.db";

/// To pay: finding a card, a bank's second step, and one try more. Longer than most providers' own forms stay open for.
pub const PAY_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Looking costs nobody anything; whoever takes a seat says who they are.
pub const LOGIN: LoginFor = LoginFor::Writing;

/// No money moves before somebody says so.
pub const PAYMENTS: Payments = Payments::Sandbox { chaos: false };

/// Stripe's own API.
pub const STRIPE_API: &str = "https://api.stripe.com";

/// Mails that are only written to files need a sender, too.
pub const MAIL_FROM: &str = "tickets@example.com";

/// Held seats: choosing, signing in and paying in one go; a seat let go of comes back within one song.
pub const HOLD_TTL: Duration = Duration::from_secs(8 * 60);

/// Seats a fan: a family or a row of friends, and no stock for a reseller.
pub const MAX_SEATS_PER_FAN: u32 = 6;

/// Only visitors whom the edge let in may write: the promise the room is for.
pub const REQUIRE_ADMISSION: bool = true;

/// The catalogue is read again: a new event is found, and one that was called off is gone, while its organiser still looks
/// at the answer. One small request a service every second is no load.
pub const REFRESH_EVERY: Duration = Duration::from_secs(1);
