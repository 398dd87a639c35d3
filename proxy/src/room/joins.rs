//! How many fans one address may bring in a minute. Whole offices and mobile carriers share one address, so the bound
//! is the operator's; without any, a script without cookies could fill the line with places nobody holds.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use foldhash::fast::RandomState;

const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered. With so many, those whose minute is over are forgotten, and nobody new is counted until then.
const ADDRESSES_MAX: usize = 200_000;
/// Looking for those takes a moment for which others wait, so it is done this often at most.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// Joins of the running minute, by address.
pub struct Joins {
    per_min: u32,
    counts: DashMap<IpAddr, (Instant, u32), RandomState>,
    forgot_at: Mutex<Option<Instant>>,
}

impl Joins {
    pub(super) fn new(per_min: u32) -> Self {
        Self {
            per_min,
            counts: DashMap::default(),
            forgot_at: Mutex::new(None),
        }
    }

    /// Counts a join of `address`; otherwise says after how many seconds it may come back.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        let address = network_of(address);
        if self.counts.len() >= ADDRESSES_MAX {
            self.forget(now);
            if self.counts.len() >= ADDRESSES_MAX && !self.counts.contains_key(&address) {
                return Ok(());
            }
        }
        let mut count = self.counts.entry(address).or_insert((now, 0));
        let (since, joined) = &mut *count;
        if now.duration_since(*since) >= WINDOW {
            (*since, *joined) = (now, 0);
        }
        if *joined >= self.per_min {
            let left = WINDOW.saturating_sub(now.duration_since(*since));
            return Err(left.as_secs() as u32 + 1);
        }
        *joined += 1;
        Ok(())
    }

    fn forget(&self, now: Instant) {
        let mut forgot_at = self.forgot_at.lock().unwrap_or_else(PoisonError::into_inner);
        if forgot_at.is_none_or(|at| now.duration_since(at) >= FORGET_EVERY) {
            *forgot_at = Some(now);
            self.counts
                .retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        }
    }
}

/// What counts as one address: of IPv6 the 64 bits that a household or a host is given (RFC 6177).
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_bring_so_many_in_a_minute_and_others_are_not_its_business() {
        let (joins, now) = (Joins::new(2), Instant::now());
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert_eq!([joins.admit(one, now), joins.admit(one, now)], [Ok(()), Ok(())]);
        assert_eq!(joins.admit(one, now + Duration::from_secs(20)), Err(41));
        assert_eq!(joins.admit(other, now), Ok(()));
        assert_eq!(joins.admit(one, now + WINDOW), Ok(()));
    }

    #[test]
    fn a_household_is_one_address_however_many_it_has() {
        let (joins, now) = (Joins::new(1), Instant::now());
        let admit = |text: &str| joins.admit(text.parse().expect("an address"), now);
        assert_eq!(admit("2001:db8::1"), Ok(()));
        assert!(admit("2001:db8::ffff:1").is_err());
        assert_eq!(admit("2001:db8:0:1::1"), Ok(()));
        assert_eq!(admit("::ffff:192.0.2.1"), Ok(()));
        assert!(admit("192.0.2.1").is_err());
    }

    #[test]
    fn more_addresses_than_are_remembered_are_let_through_uncounted() {
        let (joins, now) = (Joins::new(1), Instant::now());
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..ADDRESSES_MAX as u32 {
            assert_eq!(joins.admit(address(n), now), Ok(()));
        }
        let late = address(u32::MAX);
        assert_eq!([joins.admit(late, now), joins.admit(late, now)], [Ok(()), Ok(())]);
        assert!(
            joins.admit(address(7), now).is_err(),
            "who is remembered is counted"
        );
        assert_eq!(joins.counts.len(), ADDRESSES_MAX);
        assert_eq!(joins.admit(late, now + WINDOW), Ok(()));
        assert!(joins.admit(late, now + WINDOW).is_err());
    }
}
