//! How many fans one address may bring in a minute. Whole offices and mobile carriers share one address, so the bound
//! is the operator's; without any, a script without cookies could fill the line with places nobody holds.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use foldhash::fast::RandomState;

const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered; beyond it, those whose minute is over are forgotten, and then nobody new is counted.
const ADDRESSES_MAX: usize = 200_000;

/// Joins of the running minute, by address.
pub struct Joins {
    per_min: u32,
    counts: DashMap<IpAddr, (Instant, u32), RandomState>,
}

impl Joins {
    pub(super) fn new(per_min: u32) -> Self {
        Self {
            per_min,
            counts: DashMap::default(),
        }
    }

    /// Counts a join of `address`; otherwise says after how many seconds it may come back.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Result<(), u32> {
        if self.counts.len() >= ADDRESSES_MAX {
            self.counts
                .retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
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
}
