//! A recorded history of 200 buyers who fight for 50 seats, on both engines: who had which seats, from when to when. No
//! seat has two owners at one instant, and whoever asked for several had all of them or none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tidegate_booking::domain::order::Order;
use tidegate_booking::domain::{
    AccountId, HoldId, HoldOutcome, Line, MapRow, Money, OrderId, Owner, Seat, SeatLimit, SeatMap, ShowtimeId,
};
use tidegate_booking::store::{Begun, NewOrder, Store, Which};

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::hall::hall;

const BUYERS: u64 = 200;
/// For each engine.
const TURMOIL: Duration = Duration::from_secs(3);
const SHOWTIME: ShowtimeId = ShowtimeId(1);
const LIMIT: SeatLimit = SeatLimit(100);

/// Somebody had these seats: at least from when they were told so until they asked to give them back, or for good.
struct Had {
    who: u64,
    seats: Vec<Seat>,
    from: Instant,
    until: Option<Instant>,
    /// As a hold that ends by itself after this long.
    at_most: Option<Duration>,
}

/// From when to when, and who.
type Time = (Instant, Option<Instant>, u64);

/// Five rows of ten seats that cost nothing.
async fn house(on: &TestDatabase) -> Store {
    let rows = (1..=5).map(|row| MapRow::centred("Stalls", 1, &format!("R{row}"), 10, row));
    let map = SeatMap {
        rows: rows.collect(),
        open: Vec::new(),
    };
    hall(on, &map, &[0]).await
}

/// One buyer: holds groups of seats, lets most of them go or run out, and buys one in two hundred.
async fn buyer(store: Store, who: u64, seed: u64, told: Arc<Mutex<Vec<Had>>>) {
    let mut dice = StdRng::seed_from_u64(seed ^ who);
    let began = Instant::now();
    let mut turn = 0;
    while began.elapsed() < TURMOIL {
        turn += 1;
        // Somebody else each time: one's own live hold would keep its old deadline.
        let who = who * 1_000_000 + turn;
        let owner = Owner::account(&AccountId::from_bits(u128::from(who) + 1));
        let (row, first) = (dice.random_range(1..=5), dice.random_range(1..=7));
        let count = *[1, 2, 3, 4].choose(&mut dice).unwrap();
        let mut seats: Vec<Seat> = (first..first + count)
            .map(|number| format!("R{row}-{number}").parse().unwrap())
            .collect();
        seats.sort();
        let id = HoldId::from_bits(dice.random());
        let ttl = Duration::from_millis(*[40, 100, 300].choose(&mut dice).unwrap());
        let asked = Instant::now();
        let outcome = store.hold(SHOWTIME, &seats, &owner, id.clone(), ttl, LIMIT).await;
        let hold = match outcome {
            Ok(HoldOutcome::Held(hold)) => hold,
            Ok(_) | Err(_) => {
                tokio::time::sleep(Duration::from_millis(dice.random_range(0..40))).await;
                continue;
            }
        };
        assert_eq!(hold.seats, seats, "all of them, or none");
        let from = Instant::now();
        let mut had = Had {
            who,
            seats: seats.clone(),
            from,
            until: None,
            // The database counted from no earlier than the question, in whole milliseconds.
            at_most: Some(ttl.saturating_sub(from - asked + Duration::from_millis(1))),
        };
        if dice.random_ratio(1, 200) {
            let lines = seats.iter().map(|seat| Line {
                seat: seat.clone(),
                section: "Stalls".into(),
                amount: 0,
            });
            let currency = "USD".parse().unwrap();
            let order = NewOrder {
                id: OrderId::from_bits(dice.random()),
                owner: owner.clone(),
                showtime: SHOWTIME,
                hold: id,
                token: hold.token,
                email: String::new(),
                lines: lines.collect(),
                order: Order::new(Money { amount: 0, currency }).unwrap(),
                pay_within: Duration::from_secs(60),
                grace: Duration::from_secs(1),
            };
            // Theirs from now on for good. In between, the hold may have been over, and the seats free again.
            if let Ok(Begun::Made) = store.begin_order(&order).await {
                told.lock().unwrap().push(Had {
                    who,
                    seats,
                    from: Instant::now(),
                    until: None,
                    at_most: None,
                });
            }
        } else if dice.random_ratio(1, 2) {
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..20))).await;
            had.until = Some(Instant::now());
            let _ = store.release(SHOWTIME, &owner, &Which::One(id)).await;
        }
        told.lock().unwrap().push(had);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_seat_ever_has_two_owners_and_groups_are_whole() {
    let seed: u64 = std::env::var("TIDEGATE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let store = house(&on).await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let buyers: Vec<_> = (0..BUYERS)
            .map(|who| tokio::spawn(buyer(store.clone(), who, seed, Arc::clone(&told))))
            .collect();
        for buyer in buyers {
            buyer.await.unwrap();
        }
        let told = std::mem::take(&mut *told.lock().unwrap());
        let mut by_seat: BTreeMap<&Seat, Vec<Time>> = BTreeMap::new();
        for had in &told {
            let by_itself = had.at_most.map(|most| had.from + most);
            let until = match (had.until, by_itself) {
                (Some(asked), Some(over)) => Some(asked.min(over)),
                (either, or) => either.or(or),
            };
            // Over before the buyer was told: whose it was when, nobody can say.
            if until.is_some_and(|until| until <= had.from) {
                continue;
            }
            for seat in &had.seats {
                by_seat.entry(seat).or_default().push((had.from, until, had.who));
            }
        }
        let mut sold = 0;
        for (seat, times) in &mut by_seat {
            times.sort();
            sold += times.iter().filter(|(_, until, _)| until.is_none()).count();
            for pair in times.windows(2) {
                let ((_, until, one), (from, _, two)) = (pair[0], pair[1]);
                let apart = one == two || until.is_some_and(|until| until <= from);
                assert!(
                    apart,
                    "{engine:?}: {seat} had the owners {one} and {two} at once, for {:?}; TIDEGATE_SEED={seed}",
                    until.map(|until| until - from)
                );
            }
        }
        eprintln!("{engine:?}: {} holds, {sold} seats sold", told.len());
        assert!(
            told.len() > 100 && sold > 0,
            "a history of {} holds, {sold} sold",
            told.len()
        );
    }
}
