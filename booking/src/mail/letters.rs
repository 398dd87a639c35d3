//! The words of every letter. Each says first what happened to the fan's seats or money, then what there is to do.

use super::letter::{Fact, Letter, Link, Show};

/// The order went through: tickets are attached.
#[derive(Clone, Debug)]
pub struct TicketsIssued {
    /// For what.
    pub show: Show,
    /// The seats, as on the tickets.
    pub seats: Vec<String>,
    /// The order's reference.
    pub order: String,
    /// What was paid.
    pub total: String,
    /// The order's page.
    pub order_url: String,
}

impl From<TicketsIssued> for Letter {
    fn from(it: TicketsIssued) -> Self {
        let (tickets, are) = if it.seats.len() == 1 {
            ("ticket", "is")
        } else {
            ("tickets", "are")
        };
        Self {
            subject: format!("Your {tickets} for {}", it.show.title),
            heading: format!("Here {are} your {tickets}"),
            paragraphs: vec![format!(
                "Your {tickets} {are} attached as a PDF: print it, or show it on your phone at the door. The calendar \
                 file puts the date into your calendar."
            )],
            facts: vec![seats(&it.seats), fact("Order", it.order), fact("Paid", it.total)],
            link: link("See your order", it.order_url),
            note: Some(format!(
                "Each code lets one person in, once. Keep this mail to yourself: whoever has the code has the {}.",
                if it.seats.len() == 1 { "seat" } else { "seats" }
            )),
            show: Some(it.show),
        }
    }
}

/// The order came to nothing, and no money was taken.
#[derive(Clone, Debug)]
pub struct NotCharged {
    /// For what it was.
    pub show: Show,
    /// The seats that were wanted.
    pub seats: Vec<String>,
    /// The order's reference.
    pub order: String,
    /// What would have been paid.
    pub total: String,
    /// Why, in one sentence: `The payment was declined.`
    pub reason: String,
    /// Where to try again.
    pub showtime_url: String,
}

impl From<NotCharged> for Letter {
    fn from(it: NotCharged) -> Self {
        Self {
            subject: format!("You were not charged: {}", it.show.title),
            heading: "You were not charged".to_owned(),
            paragraphs: vec![
                format!("Your order did not go through. {} No money was taken.", it.reason),
                "Your bank may show the amount as reserved for a few days; it is released by itself."
                    .to_owned(),
            ],
            facts: vec![
                seats(&it.seats),
                fact("Order", it.order),
                fact("Not charged", it.total),
            ],
            link: link("See which seats are free", it.showtime_url),
            note: None,
            show: Some(it.show),
        }
    }
}

/// Money goes back.
#[derive(Clone, Debug)]
pub struct Refunded {
    /// For what the tickets were.
    pub show: Show,
    /// The seats given back.
    pub seats: Vec<String>,
    /// The order's reference.
    pub order: String,
    /// What goes back.
    pub amount: String,
    /// The order's page.
    pub order_url: String,
}

impl From<Refunded> for Letter {
    fn from(it: Refunded) -> Self {
        Self {
            subject: format!("Your refund of {}", it.amount),
            heading: "Your money is on its way back".to_owned(),
            paragraphs: vec![
                format!(
                    "We have sent {} back to the card or account you paid with. Banks take up to ten days to show it.",
                    it.amount
                ),
                "The tickets for these seats are no longer valid.".to_owned(),
            ],
            facts: vec![
                seats(&it.seats),
                fact("Order", it.order),
                fact("Refunded", it.amount),
            ],
            link: link("See your order", it.order_url),
            note: None,
            show: Some(it.show),
        }
    }
}

/// It does not take place.
#[derive(Clone, Debug)]
pub struct EventCancelled {
    /// What was cancelled.
    pub show: Show,
    /// The order's reference.
    pub order: String,
    /// What goes back.
    pub amount: String,
    /// The order's page.
    pub order_url: String,
}

impl From<EventCancelled> for Letter {
    fn from(it: EventCancelled) -> Self {
        Self {
            subject: format!("Cancelled: {}", it.show.title),
            heading: "This one is cancelled".to_owned(),
            paragraphs: vec![
                "We are sorry: this showtime does not take place, and your tickets for it are no longer valid.".to_owned(),
                format!(
                    "You get {} back, to the card or account you paid with. There is nothing for you to do; we write \
                     again once it is on its way.",
                    it.amount
                ),
            ],
            facts: vec![fact("Order", it.order), fact("You get back", it.amount)],
            link: link("See your order", it.order_url),
            note: None,
            show: Some(it.show),
        }
    }
}

/// Somebody asked for a new password.
#[derive(Clone, Debug)]
pub struct PasswordReset {
    /// Whose account.
    pub username: String,
    /// The page with the secret in it.
    pub reset_url: String,
    /// How long it works: `30 minutes`.
    pub valid_for: String,
}

impl From<PasswordReset> for Letter {
    fn from(it: PasswordReset) -> Self {
        Self {
            subject: "Choose a new password".to_owned(),
            heading: "Choose a new password".to_owned(),
            show: None,
            paragraphs: vec![format!(
                "Somebody, most likely you, asked for a new password for the account {}. The link works once, for {}.",
                it.username, it.valid_for
            )],
            facts: Vec::new(),
            link: link("Choose a new password", it.reset_url),
            note: Some(
                "If it was not you, there is nothing to do: your password stays as it is, and nobody else got this mail."
                    .to_owned(),
            ),
        }
    }
}

/// The fan passed a ticket on.
#[derive(Clone, Debug)]
pub struct TicketSent {
    /// For what.
    pub show: Show,
    /// The seat.
    pub seat: String,
    /// To whom: their name on the site.
    pub to: String,
    /// The order's page.
    pub order_url: String,
}

impl From<TicketSent> for Letter {
    fn from(it: TicketSent) -> Self {
        Self {
            subject: format!("You passed on a ticket for {}", it.show.title),
            heading: format!("The ticket is with {} now", it.to),
            paragraphs: vec![format!(
                "{} has a ticket with a new code. Your old code for this seat no longer opens the door, on paper or on \
                 a screen.",
                it.to
            )],
            facts: vec![fact("Seat", it.seat), fact("Now with", it.to)],
            link: link("See your order", it.order_url),
            note: Some("If you did not do this, change your password and write to us at once.".to_owned()),
            show: Some(it.show),
        }
    }
}

/// The fan was given a ticket, which is attached.
#[derive(Clone, Debug)]
pub struct TicketReceived {
    /// For what.
    pub show: Show,
    /// The seat.
    pub seat: String,
    /// From whom: their name on the site.
    pub from: String,
    /// The ticket's page.
    pub ticket_url: String,
}

impl From<TicketReceived> for Letter {
    fn from(it: TicketReceived) -> Self {
        Self {
            subject: format!("A ticket for {}, from {}", it.show.title, it.from),
            heading: format!("{} gave you a ticket", it.from),
            paragraphs: vec![
                "It is attached as a PDF: print it, or show it on your phone at the door. Its code is new and yours \
                 alone; the one before it no longer works."
                    .to_owned(),
            ],
            facts: vec![fact("Seat", it.seat), fact("From", it.from)],
            link: link("See your ticket", it.ticket_url),
            note: None,
            show: Some(it.show),
        }
    }
}

/// Two payments came for one order; the second was undone.
#[derive(Clone, Debug)]
pub struct PaidTwice {
    /// For what.
    pub show: Show,
    /// The order's reference.
    pub order: String,
    /// What was undone.
    pub amount: String,
    /// The order's page.
    pub order_url: String,
}

impl From<PaidTwice> for Letter {
    fn from(it: PaidTwice) -> Self {
        Self {
            subject: format!("You pay once: {}", it.show.title),
            heading: "You pay once".to_owned(),
            paragraphs: vec![
                format!(
                    "Two payments of {} reached us for the same order. We kept the first and undid the second.",
                    it.amount
                ),
                "Your tickets are not touched by this. Your bank may show the second amount as reserved for a few days."
                    .to_owned(),
            ],
            facts: vec![fact("Order", it.order), fact("Not charged", it.amount)],
            link: link("See your order", it.order_url),
            note: None,
            show: Some(it.show),
        }
    }
}

fn fact(label: &'static str, value: String) -> Fact {
    Fact { label, value }
}

fn seats(seats: &[String]) -> Fact {
    fact(if seats.len() == 1 { "Seat" } else { "Seats" }, seats.join(", "))
}

fn link(label: &'static str, url: String) -> Option<Link> {
    Some(Link { label, url })
}
