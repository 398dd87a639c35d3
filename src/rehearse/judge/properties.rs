//! The judge over many random histories: no false alarm however slow the network, and every seeded fault found. A failing
//! case prints its seed and arguments, which replay it.

use proptest::prelude::*;

use super::Promise;
use super::model::{Fault, Rules, judged};
use super::order::{Overtaking, Stood, Taken, overtakings};
use crate::rehearse::observe::{Place, SECOND};

/// A line long enough for its faults to show: about ten seconds of admissions by the rate, twenty by the limit.
const BUSY: Rules = Rules {
    fans: 600,
    over_us: 3 * SECOND,
    limit: 80,
    rate_per_min: 3_000,
    stay_us: 2 * SECOND,
    latency_us_max: 100_000,
    called_ahead: 150,
    fault: Fault::None,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_line_is_never_accused(
        seed in any::<u64>(),
        latency_ms in 1_i64..3_000,
        limit in 1_usize..120,
        rate_per_min in 300_u32..30_000,
        stay_ms in 100_i64..3_000,
        called_ahead in 5_usize..100,
    ) {
        let rules = Rules {
            fans: 150,
            limit,
            rate_per_min,
            stay_us: stay_ms * 1_000,
            called_ahead,
            latency_us_max: latency_ms * 1_000,
            ..BUSY
        };
        let findings = judged(seed, rules);
        prop_assert_eq!(findings.broken(), vec![], "{:?}", findings.promises);
        prop_assert!(findings.live_visits_max <= limit as u64);
    }

    #[test]
    fn the_last_going_first_is_found(seed in any::<u64>()) {
        let findings = judged(seed, Rules { fault: Fault::LastFirst, ..BUSY });
        prop_assert_eq!(findings.broken(), vec![Promise::AdmittedInOrder], "{:?}", findings.promises);
    }

    #[test]
    fn visits_beyond_the_limit_are_found(seed in any::<u64>(), more in 12_usize..40) {
        let rules = Rules { fault: Fault::Beyond(more), rate_per_min: 30_000, ..BUSY };
        let findings = judged(seed, rules);
        prop_assert_eq!(findings.broken(), vec![Promise::WithinLimit], "{:?}", findings.promises);
        prop_assert!(findings.live_visits_max <= (rules.limit + more) as u64, "it never counts too many");
    }

    #[test]
    fn admissions_faster_than_the_rate_are_found(seed in any::<u64>()) {
        let findings = judged(seed, Rules { fault: Fault::Faster, limit: 600, ..BUSY });
        prop_assert_eq!(findings.broken(), vec![Promise::WithinRate], "{:?}", findings.promises);
    }

    #[test]
    fn overtakings_are_those_a_plain_search_finds(
        stood in prop::collection::vec((0_u64..12, 0_i64..40, 1_i64..40), 0..12),
        taken in prop::collection::vec((0_u64..12, 0_i64..60, 0_i64..10), 0..12),
    ) {
        let at = |number| Place { epoch: 1, number };
        let stood: Vec<Stood> = stood.iter().enumerate()
            .map(|(fan, (place, from, long))| Stood { fan, place: at(*place), from_us: *from, until_us: from + long })
            .collect();
        let taken: Vec<Taken> = taken.iter().enumerate()
            .map(|(fan, (place, after, long))| {
                Taken { fan: 100 + fan, place: at(*place), after_us: *after, by_us: after + long }
            })
            .collect();
        let passed = |turn: &Taken, wait: &Stood| {
            wait.place < turn.place && wait.from_us < turn.after_us && wait.until_us > turn.by_us
        };
        let found = overtakings(stood.clone(), taken.clone());
        for Overtaking { fan, past } in &found {
            prop_assert!(passed(&taken[fan - 100], &stood[*past]), "{fan} past {past}");
        }
        let mut overtakers: Vec<usize> = found.iter().map(|overtaking| overtaking.fan).collect();
        overtakers.sort_unstable();
        let plain: Vec<usize> =
            taken.iter().filter(|turn| stood.iter().any(|wait| passed(turn, wait))).map(|turn| turn.fan).collect();
        prop_assert_eq!(overtakers, plain);
    }
}
