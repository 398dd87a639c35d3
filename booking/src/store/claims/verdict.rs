//! Who gets which seats, of those who ask at the same moment: a pure function of their claims and of what the database
//! says about them.

use std::collections::{HashMap, HashSet};

use super::hold::{Claim, Pick};
use crate::domain::{HoldOutcome, Seat};
use crate::store::StoreError;

/// Whether a showtime's seats can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    OnSale,
    Started,
    Cancelled,
}

/// A live claim of somebody on a seat that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Has<'a> {
    owner: &'a str,
    /// Not being paid and not sold.
    held: bool,
}

/// What the database says about claims, each known by its place among them.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    /// Of the claim's showtime, with the seats that its owner has at the event; absent where there is no such showtime.
    showtimes: HashMap<usize, (Standing, u32)>,
    /// By the claim and the seat's place in it; absent where the seat is free.
    seats: HashMap<(usize, usize), Has<'a>>,
}

/// What becomes of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These seats, in the fixed order, are the owner's as soon as they are written down.
    Granted(Vec<Seat>),
    /// Nothing is held.
    Refused(HoldOutcome),
}

impl<'a> Facts<'a> {
    /// Reads `claim:standing:count` for every claim whose showtime there is, and `claim.seat:state:owner` for every seat
    /// that somebody has; a blank between them.
    pub(super) fn read(of_claims: &'a str, of_seats: &'a str) -> Result<Self, StoreError> {
        let mut facts = Self::default();
        for said in of_claims.split_ascii_whitespace() {
            let (at, standing) =
                claim_fact(said).ok_or_else(|| StoreError::Corrupt(format!("a showtime {said:?}")))?;
            facts.showtimes.insert(at, standing);
        }
        for said in of_seats.split_ascii_whitespace() {
            let (at, has) = seat_fact(said).ok_or_else(|| StoreError::Corrupt("a claim's state".into()))?;
            facts.seats.insert(at, has);
        }
        Ok(facts)
    }

    /// Judges the claims in their order: a seat that one was granted is gone for those after it.
    pub(super) fn judge<'c>(&self, claims: impl Iterator<Item = &'c Claim>) -> Vec<Verdict> {
        let mut gone = HashSet::new();
        claims
            .enumerate()
            .map(|(at, claim)| {
                let verdict = self.verdict(at, claim, &gone);
                if let Verdict::Granted(seats) = &verdict {
                    gone.extend(seats.iter().map(|seat| (claim.showtime, seat.clone())));
                }
                verdict
            })
            .collect()
    }

    fn verdict(
        &self,
        at: usize,
        claim: &Claim,
        gone: &HashSet<(crate::domain::ShowtimeId, Seat)>,
    ) -> Verdict {
        let has = match self.showtimes.get(&at) {
            None => return Verdict::Refused(HoldOutcome::NoShowtime),
            Some((Standing::Cancelled, _)) => return Verdict::Refused(HoldOutcome::Cancelled),
            Some((Standing::Started, _)) => return Verdict::Refused(HoldOutcome::Started),
            Some((Standing::OnSale, has)) => *has,
        };
        let known = |seat: usize| self.seats.get(&(at, seat));
        let (asked, besides) = match claim.pick {
            Pick::Any(quantity) => (quantity, has),
            Pick::All => {
                let own = (0..claim.seats.len())
                    .filter(|seat| known(*seat).is_some_and(|has| has.owner == claim.owner.as_str()));
                (claim.seats.len(), has.saturating_sub(own.count() as u32))
            }
        };
        if besides.saturating_add(asked as u32) > claim.limit.0 {
            return Verdict::Refused(HoldOutcome::OverLimit {
                has: besides,
                asked: asked as u32,
            });
        }
        let can_be_had = |seat: usize| match (known(seat), claim.pick) {
            (None, _) => true,
            // One's own hold can be asked for again by name.
            (Some(has), Pick::All) => has.held && has.owner == claim.owner.as_str(),
            (Some(_), Pick::Any(_)) => false,
        };
        let (mut free, mut taken) = (Vec::new(), Vec::new());
        for (place, seat) in claim.seats.iter().enumerate() {
            let is_free = can_be_had(place) && !gone.contains(&(claim.showtime, seat.clone()));
            let list = if is_free { &mut free } else { &mut taken };
            list.push(seat.clone());
        }
        if free.len() < asked {
            return Verdict::Refused(HoldOutcome::JustTaken(taken));
        }
        free.truncate(asked);
        free.sort();
        Verdict::Granted(free)
    }
}

fn claim_fact(said: &str) -> Option<(usize, (Standing, u32))> {
    let mut parts = said.split(':');
    let at = parts.next()?.parse().ok()?;
    let standing = match parts.next()? {
        "on_sale" => Standing::OnSale,
        "started" => Standing::Started,
        "cancelled" => Standing::Cancelled,
        _ => return None,
    };
    Some((at, (standing, parts.next()?.parse().ok()?)))
}

fn seat_fact(said: &str) -> Option<((usize, usize), Has<'_>)> {
    let (at, has) = said.split_once(':')?;
    let (claim, seat) = at.split_once('.')?;
    let (state, owner) = has.split_once(':')?;
    let held = match state {
        "held" => true,
        "paying" | "sold" => false,
        _ => return None,
    };
    let at = (claim.parse().ok()?, seat.parse().ok()?);
    Some((at, Has { owner, held }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{AccountId, HoldId, Owner, SeatLimit, ShowtimeId};

    fn fan(number: u128) -> Owner {
        Owner::account(&AccountId::from_bits(number))
    }

    fn claim(who: u128, seats: &[&str], pick: Pick) -> Claim {
        Claim {
            showtime: ShowtimeId(1),
            seats: seats.iter().map(|seat| seat.parse().expect("a seat")).collect(),
            pick,
            owner: fan(who),
            id: HoldId::from_bits(who),
            ttl: Duration::from_secs(1),
            limit: SeatLimit(2),
        }
    }

    fn judged(of_claims: &str, of_seats: &str, claims: &[Claim]) -> Vec<String> {
        let facts = Facts::read(of_claims, of_seats).expect("facts");
        let said = |verdict: Verdict| match verdict {
            Verdict::Granted(seats) => {
                let names: Vec<String> = seats.iter().map(Seat::to_string).collect();
                names.join(" ")
            }
            Verdict::Refused(HoldOutcome::JustTaken(seats)) => {
                let names: Vec<String> = seats.iter().map(Seat::to_string).collect();
                format!("not {}", names.join(" "))
            }
            Verdict::Refused(HoldOutcome::OverLimit { has, asked }) => format!("{has} and {asked}"),
            Verdict::Refused(other) => format!("{other:?}"),
        };
        facts.judge(claims.iter()).into_iter().map(said).collect()
    }

    #[test]
    fn the_first_of_a_moment_gets_the_seat_and_the_next_hears_which_is_gone() {
        let claims = [
            claim(1, &["A-1", "A-2"], Pick::All),
            claim(2, &["A-2", "A-3"], Pick::All),
            claim(3, &["A-3"], Pick::All),
        ];
        let all_on_sale = "0:on_sale:0 1:on_sale:0 2:on_sale:0";
        assert_eq!(judged(all_on_sale, "", &claims), ["A-1 A-2", "not A-2", "A-3"]);
    }

    #[test]
    fn ones_own_hold_can_be_asked_for_again_and_what_is_paid_or_anothers_cannot() {
        let mine = fan(1);
        let claims = [claim(1, &["A-1", "A-2"], Pick::All)];
        let known = |first: String| judged("0:on_sale:1", &first, &claims);
        assert_eq!(known(format!("0.0:held:{}", mine.as_str())), ["A-1 A-2"]);
        assert_eq!(known(format!("0.0:paying:{}", mine.as_str())), ["not A-1"]);
        assert_eq!(known(format!("0.0:sold:{}", mine.as_str())), ["not A-1"]);
        assert_eq!(known(format!("0.1:held:{}", fan(2).as_str())), ["1 and 2"]);
    }

    #[test]
    fn any_places_are_the_first_that_nobody_has() {
        let claims = [
            claim(1, &["F-3", "F-1", "F-2"], Pick::Any(2)),
            claim(2, &["F-1", "F-4"], Pick::Any(1)),
            claim(3, &["F-3", "F-4", "F-5"], Pick::Any(2)),
        ];
        let on_sale = "0:on_sale:0 1:on_sale:0 2:on_sale:1";
        let taken = format!("0.1:held:{}", fan(1).as_str());
        assert_eq!(judged(on_sale, &taken, &claims), ["F-2 F-3", "F-1", "1 and 2"]);
        let fewer = judged("0:on_sale:0 1:on_sale:0 2:on_sale:0", &taken, &claims);
        assert_eq!(fewer, ["F-2 F-3", "F-1", "F-4 F-5"]);
    }

    #[test]
    fn a_showtime_that_is_not_on_sale_says_why() {
        let claims = [1, 2, 3].map(|who| claim(who, &["A-1"], Pick::All));
        let said = judged("0:started:0 1:cancelled:0", "", &claims);
        assert_eq!(said, ["Started", "Cancelled", "NoShowtime"]);
    }

    #[test]
    fn what_no_database_of_ours_says_is_an_error() {
        for (of_claims, of_seats) in [
            ("0:sold_out:0", ""),
            ("x", ""),
            ("", "0.0:gone:me"),
            ("", "0:held:me"),
        ] {
            assert!(
                Facts::read(of_claims, of_seats).is_err(),
                "{of_claims} {of_seats}"
            );
        }
    }
}
