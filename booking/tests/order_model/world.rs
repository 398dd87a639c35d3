//! The small world: who is in it, what can happen next, and what follows.
//!
//! What one transaction writes is one step here, so that a crash can fall between any two steps and never inside one:
//! a transaction that dies leaves nothing. A crash forgets what the service had in its memory, the answers that were
//! on their way to it; orders, claims, outbox and tickets stay.

use std::time::Duration;

use stateright::{Model, Property};
use tidegate_booking::domain::Money;
use tidegate_booking::domain::order::{
    Asker, Effect, Event, IntentStatus, Order, Seats, State, step, still_wanted,
};

use crate::claims::{Claims, Firm};
use crate::provider::Account;
use crate::rules;

/// What each order costs.
pub const PRICE: i64 = 100;

pub fn usd() -> Money {
    Money {
        amount: PRICE,
        currency: "USD".parse().unwrap(),
    }
}

/// How often each may happen in one history, at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The service crashes, and Redis fails over.
    pub crashes: u8,
    /// A message to the service is lost.
    pub losses: u8,
    /// A message to the service is delivered and comes again.
    pub doubles: u8,
    /// The provider creates a payment a second time.
    pub strays: u8,
    /// An order is called off, or its money asked back.
    pub undos: u8,
    /// The time for paying is over while messages are on their way. Once nothing is, it may always be over.
    pub early_checks: u8,
    /// A hold expires.
    pub lapses: u8,
    /// The provider refuses to capture what it authorised.
    pub refusals: u8,
}

/// How the service is built wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    None,
    ConfirmDeletesTheClaim,
    LockOnlyInRedis,
    DeduplicationOnlyInACache,
}

/// The world's fixed part.
#[derive(Clone)]
pub struct Shop {
    /// Which seats each buyer wants.
    pub wants: [&'static [usize]; 2],
    pub faults: Faults,
    pub mutant: Mutant,
}

/// On its way to the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The provider's answer to an entry of the outbox: what it said when it answered.
    Answer { key: String, says: Vec<Event> },
    /// Something happened to this payment: to be read again.
    Webhook { intent: usize },
}

/// The world's moving part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub orders: [Option<Order>; 2],
    tokens: [u8; 2],
    pub claims: Claims,
    /// Who has the lock on each seat, for the service that trusts it.
    redis: [Option<usize>; 2],
    outbox: [Vec<Effect>; 2],
    pub provider: [Account; 2],
    messages: [Vec<Message>; 2],
    /// For each seat the buyers who have a live ticket, a bit each.
    pub tickets: [u8; 2],
    left: Faults,
}

/// Somebody's next step. The number is the buyer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    Hold(usize),
    HoldExpires(usize),
    Begin(usize),
    Pays(usize, usize),
    CreatedTwice(usize),
    Calls(usize),
    CaptureRefused(usize),
    Delivered(usize, usize),
    DeliveredTwice(usize, usize),
    Lost(usize, usize),
    CheckDue(usize),
    Swept(usize),
    Undo(usize),
    Crash,
}

impl World {
    /// Whether the service has nothing more to do, until a fan does something.
    pub fn is_at_rest(&self) -> bool {
        (0..2).all(|who| self.is_quiet(who) && !self.is_unfinished(who) && !self.has_strays(who))
    }

    fn is_quiet(&self, who: usize) -> bool {
        self.outbox[who].is_empty() && self.messages[who].is_empty()
    }

    fn is_unfinished(&self, who: usize) -> bool {
        self.orders[who].as_ref().is_some_and(Order::is_unfinished)
    }

    /// Payments at the provider of which the order has not heard, or heard less.
    fn has_strays(&self, who: usize) -> bool {
        let heard = |at: usize| {
            let order = self.orders[who].as_ref();
            order
                .and_then(|order| order.payment(&crate::provider::name(at)))
                .map(|payment| payment.status)
        };
        let intents = self.provider[who].intents.iter().enumerate();
        intents
            .into_iter()
            .any(|(at, intent)| intent.is_live() && heard(at) != Some(intent.status))
    }

    /// One transaction: the event, the claims and tickets that it changes, the outbox. A refusal rolls back, and says so.
    fn takes_in(&mut self, shop: &Shop, who: usize, event: &Event) -> bool {
        let mut events = vec![event.clone()];
        let before = self.clone();
        while let Some(event) = events.pop() {
            let Some((order, effects)) = self.orders[who]
                .as_ref()
                .and_then(|order| step(order, &event).ok())
            else {
                *self = before;
                return false;
            };
            self.orders[who] = Some(order);
            for effect in effects {
                match effect {
                    Effect::KeepSeats if !self.claims.keep(shop.wants[who], who, self.tokens[who]) => {
                        *self = before.clone();
                        events = vec![Event::HoldLost];
                        break;
                    }
                    Effect::KeepSeats => {}
                    Effect::SellSeats => {
                        let sold = self.sells(shop, who);
                        events.push(if sold { Event::SeatsSold } else { Event::SeatsGone });
                    }
                    Effect::ReleaseSeats => self.claims.release(shop.wants[who], who, self.tokens[who]),
                    Effect::KillTickets => self.tickets.iter_mut().for_each(|owners| *owners &= !(1 << who)),
                    Effect::SendMail(_)
                    | Effect::TellOfTransfer(_)
                    | Effect::Alert(_)
                    | Effect::CheckAgainAfter { .. } => {}
                    entry => {
                        self.outbox[who].retain(|other| other.key() != entry.key());
                        self.outbox[who].push(entry);
                    }
                }
            }
        }
        true
    }

    fn sells(&mut self, shop: &Shop, who: usize) -> bool {
        let seats = shop.wants[who];
        let token = match shop.mutant {
            Mutant::LockOnlyInRedis => Some(self.claims.overwrite(seats, who, Firm::Sold)),
            _ => self.claims.sell(seats, who, self.tokens[who]),
        };
        if let Some(token) = token {
            self.tokens[who] = token;
        }
        if shop.mutant == Mutant::ConfirmDeletesTheClaim {
            self.claims.release(seats, who, self.tokens[who]);
        }
        token.is_some()
    }

    fn holds(&mut self, shop: &Shop, who: usize) -> bool {
        let seats = shop.wants[who];
        let token = if shop.mutant == Mutant::LockOnlyInRedis {
            let free = seats
                .iter()
                .all(|&seat| self.redis[seat].is_none_or(|owner| owner == who));
            seats
                .iter()
                .filter(|_| free)
                .for_each(|&seat| self.redis[seat] = Some(who));
            free.then(|| self.claims.overwrite(seats, who, Firm::Held { expired: false }))
        } else {
            self.claims.hold(seats, who)
        };
        let Some(token) = token else { return false };
        self.tokens[who] = token;
        self.orders[who] = Order::new(usd()).ok();
        true
    }

    /// The outbox carries its first entry out. The entry stays until the answer was taken in.
    fn calls(&mut self, shop: &Shop, who: usize) {
        let entry = self.outbox[who][0].clone();
        let wanted = self.orders[who]
            .as_ref()
            .is_some_and(|order| still_wanted(order, &entry));
        if !wanted {
            self.outbox[who].remove(0);
        } else if entry == Effect::IssueTickets {
            // Tickets and the word of them are one transaction.
            self.outbox[who].remove(0);
            let before = self.clone();
            shop.wants[who]
                .iter()
                .for_each(|&seat| self.tickets[seat] |= 1 << who);
            if !self.takes_in(shop, who, &Event::TicketsIssued) {
                *self = before;
            }
        } else {
            let says = self.provider[who].call(&entry);
            self.messages[who].push(Message::Answer {
                key: entry.key(),
                says,
            });
        }
    }

    fn delivered(&mut self, shop: &Shop, who: usize, message: &Message) {
        match message {
            Message::Answer { key, says } => {
                self.outbox[who].retain(|entry| entry.key() != *key);
                for event in says {
                    self.takes_in(shop, who, event);
                }
            }
            Message::Webhook { intent } => {
                let event = self.provider[who].says(*intent);
                self.takes_in(shop, who, &event);
            }
        }
    }

    fn crashes(&mut self, shop: &Shop) {
        for messages in &mut self.messages {
            messages.retain(|message| matches!(message, Message::Webhook { .. }));
        }
        if shop.mutant == Mutant::DeduplicationOnlyInACache {
            for order in self.orders.iter_mut().flatten() {
                order.payments.clear();
                order.kept = None;
            }
        }
        self.redis = [None, None];
    }
}

impl Shop {
    fn steps_of(&self, world: &World, who: usize, next: &mut Vec<Next>) {
        let left = world.left;
        let Some(order) = &world.orders[who] else {
            next.push(Next::Hold(who));
            return;
        };
        if order.state == State::Held {
            next.push(Next::Begin(who));
        }
        if left.lapses > 0 && order.seats == Seats::Kept {
            next.push(Next::HoldExpires(who));
        }
        for (at, intent) in world.provider[who].intents.iter().enumerate() {
            if intent.status == IntentStatus::Open {
                next.push(Next::Pays(who, at));
            }
        }
        if left.strays > 0 && world.provider[who].intents.len() == 1 {
            next.push(Next::CreatedTwice(who));
        }
        let answers = |message: &Message| matches!(message, Message::Answer { .. });
        if !world.outbox[who].is_empty() && !world.messages[who].iter().any(answers) {
            next.push(Next::Calls(who));
            if left.refusals > 0 && matches!(world.outbox[who][0], Effect::Capture { .. }) {
                next.push(Next::CaptureRefused(who));
            }
        }
        for at in 0..world.messages[who].len() {
            next.push(Next::Delivered(who, at));
            if left.doubles > 0 {
                next.push(Next::DeliveredTwice(who, at));
            }
            if left.losses > 0 {
                next.push(Next::Lost(who, at));
            }
        }
        if order.check_due && order.is_unfinished() && (world.is_quiet(who) || left.early_checks > 0) {
            next.push(Next::CheckDue(who));
        }
        if world.is_quiet(who) && !order.is_unfinished() && world.has_strays(who) {
            next.push(Next::Swept(who));
        }
        if left.undos > 0 {
            next.push(Next::Undo(who));
        }
    }
}

impl Model for Shop {
    type State = World;
    type Action = Next;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            orders: [None, None],
            tokens: [0, 0],
            claims: Claims::default(),
            redis: [None, None],
            outbox: [Vec::new(), Vec::new()],
            provider: [Account::default(), Account::default()],
            messages: [Vec::new(), Vec::new()],
            tickets: [0, 0],
            left: self.faults,
        }]
    }

    fn actions(&self, world: &World, next: &mut Vec<Next>) {
        self.steps_of(world, 0, next);
        self.steps_of(world, 1, next);
        if world.left.crashes > 0 {
            next.push(Next::Crash);
        }
    }

    fn next_state(&self, before: &World, next: Next) -> Option<World> {
        let mut world = before.clone();
        match next {
            Next::Hold(who) => return world.holds(self, who).then_some(world),
            Next::HoldExpires(who) => {
                world.left.lapses -= 1;
                let any = world.claims.expire(who);
                world
                    .redis
                    .iter_mut()
                    .filter(|owner| **owner == Some(who))
                    .for_each(|owner| *owner = None);
                return any.then_some(world);
            }
            Next::Begin(who) => {
                let pay_within = Duration::from_secs(60);
                world.takes_in(self, who, &Event::Begin { pay_within });
            }
            Next::Pays(who, at) => {
                world.provider[who].authorise(at);
                world.messages[who].push(Message::Webhook { intent: at });
            }
            Next::CreatedTwice(who) => {
                world.left.strays -= 1;
                world.provider[who].create();
            }
            Next::Calls(who) => world.calls(self, who),
            Next::CaptureRefused(who) => {
                world.left.refusals -= 1;
                let entry = &before.outbox[who][0];
                if let Effect::Capture { intent, .. } = entry {
                    let says = vec![Event::CaptureFailed {
                        intent: intent.clone(),
                    }];
                    world.messages[who].push(Message::Answer {
                        key: entry.key(),
                        says,
                    });
                }
            }
            Next::Delivered(who, at) => {
                let message = world.messages[who].remove(at);
                world.delivered(self, who, &message);
            }
            Next::DeliveredTwice(who, at) => {
                world.left.doubles -= 1;
                let message = world.messages[who][at].clone();
                world.delivered(self, who, &message);
            }
            Next::Lost(who, at) => {
                world.left.losses -= 1;
                world.messages[who].remove(at);
            }
            Next::CheckDue(who) => {
                if !before.is_quiet(who) {
                    world.left.early_checks -= 1;
                }
                let round = before.orders[who].as_ref().map_or(0, |order| order.round);
                world.takes_in(self, who, &Event::CheckDue { round });
            }
            Next::Swept(who) => {
                for at in 0..before.provider[who].intents.len() {
                    let event = before.provider[who].says(at);
                    world.takes_in(self, who, &event);
                }
            }
            Next::Undo(who) => {
                world.left.undos -= 1;
                let issued = before.orders[who]
                    .as_ref()
                    .is_some_and(|order| order.state == State::Issued);
                let event = if issued {
                    Event::RefundAsked(Asker::Organiser)
                } else {
                    Event::CallOff
                };
                world.takes_in(self, who, &event);
            }
            Next::Crash => {
                world.left.crashes -= 1;
                world.crashes(self);
            }
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::properties(self)
    }
}
