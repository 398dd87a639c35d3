//! Places and the tokens that carry them: given once, never changed, made out to the fan who holds them.

use std::collections::HashMap;

use super::Verdict;
use crate::rehearse::observe::{Claims, FanRecord, Place};

/// No two fans hold the same place of the same round.
pub(super) fn place_once(fans: &[FanRecord]) -> Verdict {
    let mut holders: HashMap<(Option<&str>, Place), usize> = HashMap::new();
    let (mut times, mut example) = (0, None);
    for (fan, held, place) in places(fans) {
        if let Some(&first) = holders.get(&(held.round.as_deref(), place)) {
            times += 1;
            example.get_or_insert_with(|| format!("place {place} went to fan {first} and to fan {fan}"));
        } else {
            holders.insert((held.round.as_deref(), place), fan);
        }
    }
    Verdict::counted(holders.len() as u64, times, example)
}

/// No fan was given a second place in the same round.
pub(super) fn place_kept(fans: &[FanRecord]) -> Verdict {
    let (mut checked, mut times, mut example) = (0, 0, None);
    for (index, fan) in fans.iter().enumerate() {
        checked += u64::from(!fan.places.is_empty());
        for (before, after) in fan.places.iter().zip(fan.places.iter().skip(1)) {
            if before.round == after.round {
                times += 1;
                let (old, new) = (before.place, after.place);
                example.get_or_insert_with(|| {
                    format!(
                        "fan {index} held place {} and was given place {}",
                        shown(old),
                        shown(new)
                    )
                });
            }
        }
    }
    Verdict::counted(checked, times, example)
}

/// Admission and visit tokens name the visitor and the place of the fan who received them.
pub(super) fn own_tokens(fans: &[FanRecord]) -> Verdict {
    let (mut checked, mut times, mut example) = (0, 0, None);
    for (index, fan) in fans.iter().enumerate() {
        for token in &fan.tokens {
            checked += 1;
            if let Some(how) = foreign(token, &fan.places) {
                times += 1;
                example.get_or_insert_with(|| format!("fan {index} received a token {how}"));
            }
        }
    }
    Verdict::counted(checked, times, example)
}

/// How a token differs from every place the fan was given; what either side leaves out is not compared.
fn foreign(token: &Claims, held: &[Claims]) -> Option<String> {
    let differs = |of: fn(&Claims) -> Option<String>| {
        let said = of(token)?;
        let own: Vec<String> = held.iter().filter_map(of).collect();
        let foreign = !own.is_empty() && !own.contains(&said);
        foreign.then(|| (said, own.join(", ")))
    };
    if let Some((said, own)) = differs(|claims| claims.place.map(|place| place.to_string())) {
        return Some(format!("for place {said}, its own is {own}"));
    }
    if let Some((said, own)) = differs(|claims| claims.room.clone()) {
        return Some(format!("for room {said}, its own is {own}"));
    }
    // Visitor ids are left out of the report: it may be pasted anywhere.
    differs(|claims| claims.visitor.clone()).map(|_| "for another visitor".to_owned())
}

fn places(fans: &[FanRecord]) -> impl Iterator<Item = (usize, &Claims, Place)> {
    let held = fans
        .iter()
        .enumerate()
        .flat_map(|(index, fan)| fan.places.iter().map(move |held| (index, held)));
    held.filter_map(|(index, held)| Some((index, held, held.place?)))
}

fn shown(place: Option<Place>) -> String {
    place.map_or_else(|| "unknown".to_owned(), |place| place.to_string())
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn held(round: &str, number: u64, visitor: &str) -> Claims {
        Claims {
            room: Some("drop".into()),
            round: Some(round.into()),
            place: Some(Place { epoch: 1, number }),
            visitor: Some(visitor.into()),
            exp_s: None,
        }
    }

    fn fan(places: &[Claims], tokens: &[Claims]) -> FanRecord {
        FanRecord {
            places: places.to_vec(),
            tokens: tokens.to_vec(),
            ..FanRecord::default()
        }
    }

    #[test]
    fn the_same_number_in_another_round_is_another_place() {
        let fans = [fan(&[held("1", 7, "a")], &[]), fan(&[held("2", 7, "b")], &[])];
        assert_eq!(place_once(&fans), Verdict::Kept { checked: 2 });
        let fans = [fan(&[held("1", 7, "a")], &[]), fan(&[held("1", 7, "b")], &[])];
        assert!(matches!(place_once(&fans), Verdict::Broken { times: 1, .. }));
    }

    #[test]
    fn a_second_place_is_a_fault_in_the_same_round_only() {
        let moved = |round| [fan(&[held("1", 7, "a"), held(round, 9, "a")], &[])];
        assert!(matches!(
            place_kept(&moved("1")),
            Verdict::Broken { times: 1, .. }
        ));
        assert_eq!(place_kept(&moved("2")), Verdict::Kept { checked: 1 });
    }

    #[test]
    fn a_token_is_compared_by_what_both_sides_say() {
        let own = held("1", 7, "a");
        let silent = Claims {
            room: Some("drop".into()),
            ..Claims::default()
        };
        assert_eq!(
            own_tokens(&[fan(from_ref(&own), &[own.clone(), silent])]),
            Verdict::Kept { checked: 2 }
        );
        for foreign in [
            held("1", 8, "a"),
            held("1", 7, "b"),
            Claims {
                room: Some("x".into()),
                ..own.clone()
            },
        ] {
            let fans = [fan(from_ref(&own), from_ref(&foreign))];
            assert!(
                matches!(own_tokens(&fans), Verdict::Broken { times: 1, .. }),
                "{foreign:?}"
            );
        }
    }
}
