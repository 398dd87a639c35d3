//! One owner a seat: many buyers at once, and long random histories against a model that cannot be wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidegate_booking::domain::{
    AccountId, Claimed, HoldId, HoldOutcome, HoldRequest, Owner, Seat, SeatLimit, SeatMap, ShowtimeId,
    parse_plan,
};
use tidegate_booking::store::{Engine, Store, Which};

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::hall::hall;

const TTL: Duration = Duration::from_secs(1000);
const SHOWTIME: ShowtimeId = ShowtimeId(1);

/// A store with one showtime in a hall of eight seats.
async fn small_house(on: &TestDatabase) -> (Store, SeatMap) {
    let map = parse_plan("Stalls/1=2x4").unwrap();
    (hall(on, &map, &[100]).await, map)
}

fn owner(name: usize) -> Owner {
    Owner::account(&AccountId::from_bits(name as u128))
}

fn seats_of(names: impl IntoIterator<Item = usize>, map: &SeatMap, limit: u32) -> Option<HoldRequest> {
    let names: Vec<String> = names.into_iter().map(seat_name).collect();
    HoldRequest::new(&names, map, SeatLimit(limit)).ok()
}

fn seat_name(index: usize) -> String {
    format!("{}-{}", ["A", "B"][index / 4], index % 4 + 1)
}

/// A cheap generator, so that 64 tasks can each have their own from one printed seed.
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    (*state >> 33) as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_buyers_at_once_every_seat_has_one_owner() {
    for engine in ENGINES {
        each_seat_has_one_owner(engine).await;
    }
}

async fn each_seat_has_one_owner(engine: Engine) {
    let seed: u64 = std::env::var("SEED")
        .ok()
        .map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("replay with SEED={seed}");
    let database = TestDatabase::on(engine).await;
    let (store, map) = small_house(&database).await;
    // Entered after a hold was answered and removed before a release is asked for: whoever stands here owns the seat.
    let owners: Arc<Mutex<HashMap<Seat, usize>>> = Arc::default();
    let tokens: Arc<Mutex<BTreeSet<i64>>> = Arc::default();
    let buyers = (0..64).map(|buyer| {
        let (store, map, owners, tokens) = (store.clone(), map.clone(), owners.clone(), tokens.clone());
        tokio::spawn(async move {
            let mut state = seed ^ (buyer as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut held = 0;
            for _ in 0..25 {
                let first = next(&mut state) % 8;
                let second = next(&mut state) % 8;
                let request = seats_of([first, second], &map, 2).unwrap();
                let id = HoldId::from_bits(u128::from(next(&mut state) as u64) << 64 | buyer as u128);
                let me = owner(buyer);
                let outcome = store
                    .hold(SHOWTIME, request.seats(), &me, id.clone(), TTL, SeatLimit(2))
                    .await;
                match outcome.unwrap() {
                    HoldOutcome::Held(hold) => {
                        held += 1;
                        assert!(
                            tokens.lock().unwrap().insert(hold.token),
                            "a token was given twice"
                        );
                        for seat in &hold.seats {
                            let before = owners.lock().unwrap().insert(seat.clone(), buyer);
                            assert_eq!(before, None, "{seat} has two owners");
                        }
                        tokio::task::yield_now().await;
                        for seat in &hold.seats {
                            assert_eq!(owners.lock().unwrap().remove(seat), Some(buyer));
                        }
                        let freed = store.release(SHOWTIME, &me, &Which::One(id)).await.unwrap();
                        assert_eq!(freed, hold.seats, "a held seat was somebody else's at release");
                    }
                    HoldOutcome::JustTaken(seats) => assert!(!seats.is_empty()),
                    other => panic!("{other:?}"),
                }
            }
            held
        })
    });
    let mut held = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        held += buyer.await.unwrap();
    }
    assert!(
        held >= 64,
        "only {held} holds of 1600 attempts: the test did not contend"
    );
    assert_eq!(
        store.claims(SHOWTIME).await.unwrap(),
        [],
        "released seats are still claimed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rush_for_the_last_pair_has_exactly_one_winner() {
    for engine in ENGINES {
        one_winner(engine).await;
    }
}

async fn one_winner(engine: Engine) {
    let database = TestDatabase::on(engine).await;
    let (store, map) = small_house(&database).await;
    let rush = (0..64).map(|buyer| {
        let (store, map) = (store.clone(), map.clone());
        tokio::spawn(async move {
            let request = seats_of([0, 1], &map, 2).unwrap();
            let id = HoldId::from_bits(buyer as u128);
            let outcome = store
                .hold(SHOWTIME, request.seats(), &owner(buyer), id, TTL, SeatLimit(2))
                .await;
            matches!(outcome.unwrap(), HoldOutcome::Held(_))
        })
    });
    let mut winners = 0;
    for buyer in rush.collect::<Vec<_>>() {
        winners += usize::from(buyer.await.unwrap());
    }
    assert_eq!(winners, 1);
    let claims = store.claims(SHOWTIME).await.unwrap();
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[0].owner, claims[1].owner);
}

/// One thing that happens to the house.
#[derive(Clone, Debug)]
enum Step {
    Hold {
        fan: usize,
        seats: Vec<usize>,
    },
    ReleaseNth {
        fan: usize,
        nth: usize,
    },
    ReleaseAll {
        fan: usize,
    },
    /// What a payment would do to a held seat.
    Firm {
        seat: usize,
        state: &'static str,
    },
    /// The database's clock moves on, in hundreds of seconds.
    Advance(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let fan = 0..4_usize;
    prop_oneof![
        6 => (fan.clone(), proptest::collection::vec(0..8_usize, 1..4))
            .prop_map(|(fan, seats)| Step::Hold { fan, seats }),
        2 => (fan.clone(), 0..3_usize).prop_map(|(fan, nth)| Step::ReleaseNth { fan, nth }),
        1 => fan.prop_map(|fan| Step::ReleaseAll { fan }),
        1 => (0..8_usize, prop_oneof![Just("paying"), Just("sold")])
            .prop_map(|(seat, state)| Step::Firm { seat, state }),
        2 => (1..9_i64).prop_map(Step::Advance),
    ]
}

/// A claim as the model keeps it. Nothing is ever cleaned up; expired is a question asked of the clock.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    fan: usize,
    hold: u128,
    ends_at: i64,
    state: &'static str,
}

#[derive(Default)]
struct Model {
    now: i64,
    rows: BTreeMap<usize, Row>,
}

const LIMIT: u32 = 4;

impl Model {
    fn live(&self, seat: usize) -> Option<&Row> {
        self.rows
            .get(&seat)
            .filter(|row| row.state != "held" || row.ends_at > self.now)
    }

    /// `Ok` with all seats held, or the reason why none was.
    fn hold(&mut self, fan: usize, hold: u128, seats: &BTreeSet<usize>) -> Result<(), String> {
        let others = (0..8).filter(|seat| !seats.contains(seat));
        let has = others
            .filter(|&seat| self.live(seat).is_some_and(|row| row.fan == fan))
            .count();
        if has + seats.len() > LIMIT as usize {
            return Err("over limit".into());
        }
        let taken = |seat: &&usize| {
            self.live(**seat)
                .is_some_and(|row| row.fan != fan || row.state != "held")
        };
        let taken: Vec<String> = seats.iter().filter(taken).map(|&seat| seat_name(seat)).collect();
        if !taken.is_empty() {
            return Err(format!("taken {}", taken.join(" ")));
        }
        for &seat in seats {
            let ends_at = self
                .live(seat)
                .map_or(self.now + TTL.as_secs() as i64, |row| row.ends_at);
            self.rows.insert(
                seat,
                Row {
                    fan,
                    hold,
                    ends_at,
                    state: "held",
                },
            );
        }
        Ok(())
    }

    fn release(&mut self, fan: usize, hold: Option<u128>) -> Vec<String> {
        let mine =
            |row: &Row| row.fan == fan && row.state == "held" && hold.is_none_or(|hold| hold == row.hold);
        let seats: Vec<usize> = (0..8).filter(|&seat| self.live(seat).is_some_and(mine)).collect();
        self.rows.retain(|seat, _| !seats.contains(seat));
        seats.into_iter().map(seat_name).collect()
    }

    fn claims(&self) -> Vec<(String, usize, Claimed)> {
        let state = |row: &Row| match row.state {
            "held" => Claimed::Held,
            "paying" => Claimed::Paying,
            _ => Claimed::Sold,
        };
        (0..8)
            .filter_map(|s| self.live(s).map(|row| (seat_name(s), row.fan, state(row))))
            .collect()
    }
}

async fn replay(
    store: &Store,
    map: &SeatMap,
    database: &TestDatabase,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut raw = database.raw().await;
    sqlx::query("delete from claim").execute(&mut raw).await.unwrap();
    let mut model = Model::default();
    let (mut holds, mut last_token): (Vec<(usize, u128)>, i64) = (Vec::new(), 0);
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Hold { fan, seats } => {
                let id = at as u128 + 1;
                let asked = seats_of(seats.iter().copied(), map, LIMIT).unwrap();
                let expected = model.hold(*fan, id, &seats.iter().copied().collect());
                let hold = HoldId::from_bits(id);
                let outcome = store
                    .hold(SHOWTIME, asked.seats(), &owner(*fan), hold, TTL, SeatLimit(LIMIT))
                    .await;
                let got = match outcome.unwrap() {
                    HoldOutcome::Held(hold) => {
                        prop_assert!(hold.token > last_token, "tokens must grow");
                        prop_assert!((0..=1000).contains(&hold.seconds_left), "{}", hold.seconds_left);
                        last_token = hold.token;
                        holds.push((*fan, id));
                        Ok(())
                    }
                    HoldOutcome::OverLimit { .. } => Err("over limit".into()),
                    HoldOutcome::JustTaken(seats) => {
                        let names: Vec<String> = seats.iter().map(Seat::to_string).collect();
                        Err(format!("taken {}", names.join(" ")))
                    }
                    other => Err(format!("{other:?}")),
                };
                prop_assert_eq!(got, expected, "step {} {:?}", at, step);
            }
            Step::ReleaseNth { fan, nth } => {
                // Also holds of others, which must not be touched.
                let Some((_, hold)) = holds.iter().rev().nth(*nth).copied() else {
                    continue;
                };
                let which = Which::One(HoldId::from_bits(hold));
                let freed = store.release(SHOWTIME, &owner(*fan), &which).await.unwrap();
                let freed: Vec<String> = freed.iter().map(Seat::to_string).collect();
                prop_assert_eq!(freed, model.release(*fan, Some(hold)), "step {} {:?}", at, step);
            }
            Step::ReleaseAll { fan } => {
                let freed = store.release(SHOWTIME, &owner(*fan), &Which::All).await.unwrap();
                let freed: Vec<String> = freed.iter().map(Seat::to_string).collect();
                prop_assert_eq!(freed, model.release(*fan, None), "step {} {:?}", at, step);
            }
            Step::Firm { seat, state } => {
                if model.live(*seat).is_none() {
                    continue;
                }
                model.rows.entry(*seat).and_modify(|row| row.state = state);
                sqlx::query("update claim set state = $1 where seat = $2")
                    .bind(*state)
                    .bind(seat_name(*seat))
                    .execute(&mut raw)
                    .await
                    .unwrap();
            }
            Step::Advance(hundreds) => {
                // 100 s apart, so that the seconds this test itself takes change nothing; never exactly at the end.
                model.now += hundreds * 100 + 50;
                sqlx::query("update claim set expires_at = expires_at - $1")
                    .bind((hundreds * 100 + 50) * 1000)
                    .execute(&mut raw)
                    .await
                    .unwrap();
            }
        }
        let claims = store.claims(SHOWTIME).await.unwrap();
        let name = |o: &Owner| (0..4).find(|&fan| owner(fan) == *o).unwrap();
        let claims: Vec<_> = claims
            .iter()
            .map(|c| (c.seat.to_string(), name(&c.owner), c.claimed))
            .collect();
        let mut claims = claims;
        claims.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(claims, model.claims(), "after step {} {:?}", at, step);
        for fan in 0..4 {
            let holds = store.holds_of(SHOWTIME, &owner(fan)).await.unwrap();
            let mut seats: Vec<String> = holds
                .iter()
                .flat_map(|h| h.seats.iter().map(Seat::to_string))
                .collect();
            seats.sort();
            let mine = model
                .claims()
                .into_iter()
                .filter(|c| c.1 == fan && c.2 == Claimed::Held);
            prop_assert_eq!(seats, mine.map(|claim| claim.0).collect::<Vec<_>>());
        }
    }
    let double = sqlx::query("select 1 from claim group by showtime_id, seat having count(*) > 1");
    prop_assert!(double.fetch_all(&mut raw).await.unwrap().is_empty());
    let rows: i64 = sqlx::query_scalar("select count(*) from claim")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    prop_assert!(rows <= 8, "claims never outgrow the seats");
    Ok(())
}

#[test]
fn any_history_agrees_with_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for engine in ENGINES {
        let (database, (store, map)) = runtime.block_on(async {
            let database = TestDatabase::on(engine).await;
            let house = small_house(&database).await;
            (database, house)
        });
        let config = ProptestConfig {
            cases: 60,
            max_shrink_iters: 300,
            source_file: Some(file!()),
            ..ProptestConfig::default()
        };
        let histories = proptest::collection::vec(step(), 1..60);
        let agrees = TestRunner::new(config).run(&histories, |steps| {
            runtime.block_on(replay(&store, &map, &database, &steps))
        });
        agrees.unwrap_or_else(|failure| panic!("on {engine:?}: {failure}"));
        runtime.block_on(store.close());
    }
}

#[tokio::test]
async fn a_started_cancelled_or_unknown_showtime_is_not_sold() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let (store, map) = small_house(&database).await;
        let mut raw = database.raw().await;
        let (request, me) = (seats_of([0], &map, 2).unwrap(), owner(0));
        let hold = async |showtime| {
            let id = HoldId::from_bits(1);
            let held = store.hold(ShowtimeId(showtime), request.seats(), &me, id, TTL, SeatLimit(2));
            held.await.unwrap()
        };
        assert_eq!(hold(2).await, HoldOutcome::NoShowtime);
        let change = |to| sqlx::query(to);
        change("update showtime set cancelled_at = 1")
            .execute(&mut raw)
            .await
            .unwrap();
        assert_eq!(hold(1).await, HoldOutcome::Cancelled);
        change("update showtime set cancelled_at = null, starts_at = 1")
            .execute(&mut raw)
            .await
            .unwrap();
        assert_eq!(hold(1).await, HoldOutcome::Started);
    }
}

#[tokio::test]
async fn a_hold_is_made_longer_once() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let (store, map) = small_house(&database).await;
        let (request, me) = (seats_of([0, 1], &map, 2).unwrap(), owner(0));
        let id = HoldId::from_bits(1);
        let hold = store.hold(SHOWTIME, request.seats(), &me, id.clone(), TTL, SeatLimit(2));
        assert!(matches!(hold.await.unwrap(), HoldOutcome::Held(_)));
        assert!(
            !store.extend(&id, &owner(1), TTL).await.unwrap(),
            "somebody else's"
        );
        assert!(store.extend(&id, &owner(0), TTL).await.unwrap());
        assert!(!store.extend(&id, &owner(0), TTL).await.unwrap(), "a second time");
        let seconds_left = store.hold_of(&id, &owner(0)).await.unwrap().unwrap().seconds_left;
        assert!((1990..=2000).contains(&seconds_left), "{seconds_left}");
        // Asking for the same seats again does not give the right to do it once more.
        let again = HoldId::from_bits(2);
        let hold = store.hold(SHOWTIME, request.seats(), &me, again.clone(), TTL, SeatLimit(2));
        assert!(matches!(hold.await.unwrap(), HoldOutcome::Held(_)));
        assert!(
            !store.extend(&again, &owner(0), TTL).await.unwrap(),
            "under another name"
        );
    }
}
