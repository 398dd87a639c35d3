//! The payment provider of the small world: what it was told to do it does at most once a payment, and it remembers.

use tidegate_booking::domain::order::{Effect, Event, IntentId, IntentStatus, IntentView};

use crate::world::{PRICE, usd};

/// A payment as the provider has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    pub status: IntentStatus,
    pub refunded: i64,
}

impl Intent {
    pub fn captured(&self) -> i64 {
        if self.status == IntentStatus::Captured {
            PRICE
        } else {
            0
        }
    }

    pub fn is_live(&self) -> bool {
        !matches!(self.status, IntentStatus::Captured | IntentStatus::Cancelled)
    }
}

/// The payments that name one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    pub intents: Vec<Intent>,
}

/// The name of an order's payment.
pub fn name(at: usize) -> IntentId {
    format!("pi_{at}").parse().unwrap()
}

fn number(intent: &IntentId) -> usize {
    intent.as_str().trim_start_matches("pi_").parse().unwrap()
}

impl Account {
    pub fn create(&mut self) {
        self.intents.push(Intent {
            status: IntentStatus::Open,
            refunded: 0,
        });
    }

    /// The fan pays.
    pub fn authorise(&mut self, at: usize) {
        self.intents[at].status = IntentStatus::Authorised;
    }

    /// What is said of a payment now.
    pub fn says(&self, at: usize) -> Event {
        let intent = &self.intents[at];
        Event::ProviderSays(IntentView {
            intent: name(at),
            status: intent.status,
            amount: PRICE,
            currency: usd().currency,
            capturable: if intent.status == IntentStatus::Authorised {
                PRICE
            } else {
                0
            },
            received: intent.captured(),
        })
    }

    /// Carries a call out and answers it. A second call of the same kind finds its work done.
    pub fn call(&mut self, effect: &Effect) -> Vec<Event> {
        match effect {
            Effect::CreateIntent { .. } => {
                if self.intents.is_empty() {
                    self.create();
                }
                vec![self.says(0)]
            }
            Effect::FindIntents if self.intents.is_empty() => vec![Event::NoIntentFound],
            Effect::FindIntents => (0..self.intents.len()).map(|at| self.says(at)).collect(),
            Effect::ReadIntent(intent) => vec![self.says(number(intent))],
            Effect::CancelIntent { intent, .. } => {
                let at = number(intent);
                if self.intents[at].is_live() {
                    self.intents[at].status = IntentStatus::Cancelled;
                }
                vec![self.says(at)]
            }
            Effect::Capture { intent, .. } => {
                let at = number(intent);
                if self.intents[at].status == IntentStatus::Authorised {
                    self.intents[at].status = IntentStatus::Captured;
                }
                vec![self.says(at)]
            }
            Effect::Refund { intent, amount, .. } => {
                let (at, id) = (number(intent), intent.clone());
                // More than was taken is never given back.
                if self.intents[at].refunded + amount.amount <= self.intents[at].captured() {
                    self.intents[at].refunded += amount.amount;
                }
                vec![Event::Refunded {
                    intent: id,
                    total: self.intents[at].refunded,
                }]
            }
            _ => Vec::new(),
        }
    }
}
