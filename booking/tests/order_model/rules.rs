//! What must hold in every state of the small world, and what must be possible.

use stateright::Property;
use tidegate_booking::domain::order::{CHECKS_MAX, IntentStatus, Order, Seats, State, ledgers};

use crate::claims::Firm;
use crate::world::{PRICE, Shop, World};

pub const ONE_OWNER: &str = "a seat has one owner";
pub const TICKET_IS_PAID: &str = "a ticket is paid for, and was not given back";

pub fn properties(shop: &Shop) -> Vec<Property<Shop>> {
    let mut properties = vec![
        Property::always(ONE_OWNER, one_owner),
        Property::always(TICKET_IS_PAID, ticket_is_paid),
        Property::always("the books balance", |_, world: &World| {
            world
                .orders
                .iter()
                .flatten()
                .all(|order| ledgers(order).iter().all(|book| book.check().is_ok()))
        }),
        Property::always(
            "what is sold has its claims, and they are never let go",
            sold_has_claims,
        ),
        Property::always("at rest every authorisation has ended", |_, world: &World| {
            let live = |world: &World| {
                world
                    .provider
                    .iter()
                    .flat_map(|account| &account.intents)
                    .any(|i| i.is_live())
            };
            !world.is_at_rest() || !live(world)
        }),
        Property::always("at rest captured = issued + refunded", at_rest_money_is_somewhere),
        Property::always("at rest no order is on its way", |_, world: &World| {
            !world.is_at_rest() || world.orders.iter().flatten().all(|order| !order.is_unfinished())
        }),
        // Faults are few here, so an operator who is called would mean that something does not come to rest.
        Property::always("no operator is needed", |_, world: &World| {
            world
                .orders
                .iter()
                .flatten()
                .all(|order| order.idle_checks < CHECKS_MAX)
        }),
        Property::sometimes("somebody has tickets, at rest", |_, world: &World| {
            world.is_at_rest() && world.tickets.iter().any(|owners| *owners != 0)
        }),
    ];
    let apart = shop.wants[0].iter().all(|seat| !shop.wants[1].contains(seat));
    if apart {
        properties.push(Property::sometimes(
            "both have tickets, at rest",
            |_, world: &World| world.is_at_rest() && world.tickets.iter().all(|owners| *owners != 0),
        ));
    }
    // Only a payment that was created twice is paid after its order was given up.
    if shop.faults.strays > 0 {
        properties.push(Property::sometimes(
            "both have paid, and one is not charged",
            |_, world: &World| {
                let paid = world
                    .orders
                    .iter()
                    .flatten()
                    .filter(|order| order.payments.iter().any(|p| p.authorised > 0));
                let charged = world
                    .provider
                    .iter()
                    .flat_map(|account| &account.intents)
                    .filter(|i| i.captured() > 0);
                world.is_at_rest() && paid.count() == 2 && charged.count() == 1
            },
        ));
    }
    properties
}

/// By the orders, by the tickets, and never so that the index over tickets had to have the last word.
fn one_owner(shop: &Shop, world: &World) -> bool {
    let sold = |who: usize| {
        let sold_in = [State::Allocated, State::Issued, State::Disputed];
        world.orders[who]
            .as_ref()
            .is_some_and(|order: &Order| sold_in.contains(&order.state))
    };
    let owners = |seat: usize| {
        (0..2)
            .filter(|who| sold(*who) && shop.wants[*who].contains(&seat))
            .count()
    };
    let tickets_clash = world.tickets.iter().any(|owners| owners.count_ones() > 1);
    (0..2).all(|seat| owners(seat) <= 1) && !tickets_clash
}

fn ticket_is_paid(shop: &Shop, world: &World) -> bool {
    (0..2).all(|who| {
        let out = shop.wants[who]
            .iter()
            .any(|&seat| world.tickets[seat] & (1 << who) != 0);
        let intents = &world.provider[who].intents;
        let paid: i64 = intents
            .iter()
            .map(|intent| intent.captured() - intent.refunded)
            .sum();
        !out || paid >= PRICE
    })
}

fn sold_has_claims(shop: &Shop, world: &World) -> bool {
    (0..2).all(|who| {
        let sold = world.orders[who]
            .as_ref()
            .is_some_and(|order| order.seats == Seats::Sold);
        let has = |&seat: &usize| {
            world.claims.rows[seat].is_some_and(|claim| claim.owner == who && claim.firm == Firm::Sold)
        };
        !sold || shop.wants[who].iter().all(has)
    })
}

fn at_rest_money_is_somewhere(shop: &Shop, world: &World) -> bool {
    let balanced = |who: usize| {
        let intents = &world.provider[who].intents;
        let captured: i64 = intents.iter().map(|intent| intent.captured()).sum();
        let refunded: i64 = intents.iter().map(|intent| intent.refunded).sum();
        let issued = shop.wants[who]
            .iter()
            .all(|&seat| world.tickets[seat] & (1 << who) != 0);
        let voided = intents
            .iter()
            .all(|intent| intent.status != IntentStatus::Authorised);
        voided && captured == refunded + if issued { PRICE } else { 0 }
    };
    !world.is_at_rest() || (0..2).all(balanced)
}
