//! Every history of a small world: two buyers, two seats, one service that may crash after any step, one provider, and
//! messages that are lost, doubled and reordered. The orders are moved by the real `step`; the claims follow the rules
//! of the claims table. And the mutants: three ways to build it wrong, each of which must be found out.
#![allow(clippy::unwrap_used)]

#[path = "order_model/claims.rs"]
mod claims;
#[path = "order_model/provider.rs"]
mod provider;
#[path = "order_model/rules.rs"]
mod rules;
#[path = "order_model/world.rs"]
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use world::{Faults, Mutant, Shop};

/// The faults of one run: few, but at every possible moment.
const CALM: Faults = Faults {
    crashes: 0,
    losses: 0,
    doubles: 0,
    strays: 0,
    undos: 0,
    early_checks: 0,
    lapses: 0,
    refusals: 0,
};

fn both_want_both(faults: Faults) -> Shop {
    Shop {
        wants: [&[0, 1], &[0, 1]],
        faults,
        mutant: Mutant::None,
    }
}

/// As a hold is all or nothing, who has one seat in common is in the way as much as who has two; the other seat shows
/// that nothing of a group is left behind.
fn they_meet_on_one(faults: Faults) -> Shop {
    Shop {
        wants: [&[0], &[0, 1]],
        faults,
        mutant: Mutant::None,
    }
}

fn each_wants_one(faults: Faults) -> Shop {
    Shop {
        wants: [&[0], &[1]],
        faults,
        mutant: Mutant::None,
    }
}

/// Looks at every state, says how many there were, and panics with the shortest way to one that must not be.
fn holds(name: &str, shop: Shop) {
    let begin = std::time::Instant::now();
    let checked = shop.checker().threads(2).spawn_bfs().join();
    let (states, depth) = (checked.unique_state_count(), checked.max_depth());
    println!(
        "{name}: {states} states, {depth} steps deep, {:?}",
        begin.elapsed()
    );
    checked.assert_properties();
}

#[test]
fn a_crash_at_every_step() {
    let faults = Faults {
        crashes: 2,
        early_checks: 1,
        lapses: 1,
        ..CALM
    };
    holds("crash, one seat in common", they_meet_on_one(faults));
    holds("crash, both want both", both_want_both(faults));
    holds(
        "crash, each wants one",
        each_wants_one(Faults { crashes: 1, ..CALM }),
    );
}

#[test]
fn messages_are_lost_and_doubled() {
    let faults = Faults {
        crashes: 1,
        losses: 1,
        doubles: 1,
        early_checks: 1,
        lapses: 1,
        ..CALM
    };
    holds("messages, one seat in common", they_meet_on_one(faults));
    holds("messages, both want both", both_want_both(faults));
}

#[test]
fn one_buyer_pays_twice() {
    let faults = Faults {
        crashes: 1,
        strays: 1,
        early_checks: 1,
        lapses: 1,
        ..CALM
    };
    holds("paid twice", both_want_both(faults));
}

#[test]
fn one_order_is_called_off_or_given_back() {
    let faults = Faults {
        crashes: 1,
        undos: 1,
        refusals: 1,
        early_checks: 1,
        ..CALM
    };
    holds("undone", both_want_both(faults));
}

/// The mutant is found out, by this rule.
fn caught(mutant: Mutant, faults: Faults, by: &'static str) {
    let shop = Shop {
        mutant,
        ..both_want_both(faults)
    };
    let checked = shop
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let way = checked
        .discovery(by)
        .unwrap_or_else(|| panic!("{mutant:?} was not caught by {by:?}"));
    println!("{mutant:?} breaks {by:?} after: {:?}", way.into_actions());
}

#[test]
fn mutant_confirm_deletes_the_claim_is_caught() {
    caught(Mutant::ConfirmDeletesTheClaim, CALM, rules::ONE_OWNER);
}

#[test]
fn mutant_lock_only_in_redis_is_caught() {
    caught(
        Mutant::LockOnlyInRedis,
        Faults { lapses: 1, ..CALM },
        rules::ONE_OWNER,
    );
}

#[test]
fn mutant_deduplication_only_in_a_cache_is_caught() {
    caught(
        Mutant::DeduplicationOnlyInACache,
        Faults { crashes: 1, ..CALM },
        rules::TICKET_IS_PAID,
    );
}
