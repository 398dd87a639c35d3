//! An order with everything around it: whose, for which seats, at which prices.

use serde::{Deserialize, Serialize};

use super::order::{IntentId, Order};
use super::{Event, HoldId, Money, OrderId, Owner, Seat, SeatMap, ShowtimeId};

/// One seat of an order, at the price that was asked when the order was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which seat, or which place of general admission.
    #[serde(with = "as_text")]
    pub seat: Seat,
    /// Its section.
    pub section: String,
    /// Minor units of the order's currency.
    pub amount: i64,
}

/// An order as it is stored.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Its name.
    pub id: OrderId,
    /// Whose.
    pub owner: Owner,
    /// For which showtime.
    pub showtime: ShowtimeId,
    /// The hold it was made of.
    pub hold: HoldId,
    /// The fencing token under which its claims are its own.
    pub token: i64,
    /// Where its mails go; none once its account is gone.
    pub email: Option<String>,
    /// The seats, in their fixed order.
    pub lines: Vec<Line>,
    /// Where it stands.
    pub order: Order,
    /// Seconds, by the database's clock, that the fan still has to pay.
    pub seconds_left: i64,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Where the fan pays, for the latest payment that was made for it.
    pub payment: Option<PaymentPage>,
}

impl Purchase {
    /// The names of its seats.
    pub fn seats(&self) -> Vec<Seat> {
        self.lines.iter().map(|line| line.seat.clone()).collect()
    }

    /// Money of the order's currency.
    pub fn money(&self, amount: i64) -> Money {
        let currency = self.order.total.currency;
        Money { amount, currency }
    }

    /// What of its money has gone back.
    pub fn refunded(&self) -> Money {
        self.money(self.order.payments.iter().map(|payment| payment.refunded).sum())
    }

    /// What of its money is still to go back.
    pub fn refund_due(&self) -> Money {
        self.money(self.order.payments.iter().map(|payment| payment.refund_due).sum())
    }
}

/// Where a payment is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPage {
    /// Which payment.
    pub intent: IntentId,
    /// The provider's page for it, where it has one.
    pub url: Option<String>,
    /// What a page of ours hands to the provider's script.
    pub client_secret: Option<String>,
}

/// What the seats cost at an event; `None` if one of them is not on the map or has no price.
pub fn lines_of(seats: &[Seat], map: &SeatMap, price_of: impl Fn(u8) -> Option<Money>) -> Option<Vec<Line>> {
    let line = |seat: &Seat| {
        let (level, section) = map.level_of(seat)?;
        Some(Line {
            seat: seat.clone(),
            section: section.to_owned(),
            amount: price_of(level)?.amount,
        })
    };
    seats.iter().map(line).collect()
}

/// What the seats cost together; `None` beyond what a number holds.
pub fn total_of(lines: &[Line], event: &Event) -> Option<Money> {
    let amount = lines
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.amount))?;
    let currency = event.venue.currency;
    Some(Money { amount, currency })
}

/// A seat as its name.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Seat;

    pub fn serialize<S: Serializer>(seat: &Seat, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(seat)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seat, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
