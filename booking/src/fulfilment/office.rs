//! The ticket office: the keys that sign tickets, and a ticket as a person sees it.

use crate::domain::{Account, Money, OrderId, ShowtimeDetail};
use crate::mail::Show;
use crate::store::{Store, StoreError};
use crate::ticket::signed::verify;
use crate::ticket::{BadTicket, KeyError, PublicKeys, SigningKey, Ticket, TicketClaims, TicketFace};

/// Why tickets cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// The keys cannot be read or stored.
    #[error("cannot read the keys that sign tickets: {0}")]
    Store(#[from] StoreError),
    /// One of them, or all together, cannot be used.
    #[error("the keys that sign tickets, in the booking database, cannot be used: {0}")]
    Keys(#[from] KeyError),
}

/// The keys, and in whose name tickets are given out.
pub(crate) struct Office {
    /// The newest, which signs.
    signs: SigningKey,
    /// All of them: tickets live longer than keys.
    believed: PublicKeys,
    seller: String,
}

impl Office {
    /// Opens it with the keys that the database has; the first start makes one.
    pub(crate) async fn open(store: &Store, seller: &str) -> Result<Self, OfficeError> {
        let mut found = store.signing_keys("ticket").await?;
        if found.is_empty() {
            let made = SigningKey::generate()?;
            found = store
                .first_signing_key("ticket", &made.id().to_string(), &made.to_text())
                .await?;
        }
        let keys = found.iter().map(|(_, secret)| SigningKey::from_text(secret));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        let believed = PublicKeys::new(keys.iter().map(SigningKey::public))?;
        Ok(Self {
            signs: keys.swap_remove(0),
            believed,
            seller: seller.to_owned(),
        })
    }

    /// What a scanner takes along.
    pub(crate) fn public_keys(&self) -> serde_json::Value {
        self.believed.to_jwks()
    }

    /// What a code says, if one of our keys signed it.
    pub(crate) fn read(&self, code: &str) -> Result<TicketClaims, BadTicket> {
        verify(code, &self.believed)
    }

    /// The text for a ticket's QR code.
    pub(crate) fn code(&self, ticket: &Ticket) -> String {
        ticket
            .claims()
            .sign(&self.signs)
            .expect("a ticket's claims leave out what does not fit")
    }

    /// The ticket as it is shown and printed.
    pub(crate) fn face(
        &self,
        ticket: &Ticket,
        showtime: &ShowtimeDetail,
        holder: Option<&Account>,
    ) -> TicketFace {
        let event = &showtime.event.event;
        let seat = &ticket.seat;
        let numbered = showtime.map.has_named(seat);
        let currency = event.venue.currency;
        let amount = ticket.amount;
        TicketFace {
            code: self.code(ticket),
            title: event.title.clone(),
            credit: event.credit.clone(),
            venue: event.venue.name.clone(),
            city: format!("{}, {}", event.venue.city, event.venue.country),
            starts_at: showtime.starts_at,
            time_zone: event.venue.time_zone.clone(),
            section: ticket.section.clone(),
            row: numbered.then(|| seat.row.clone()),
            seat: numbered.then(|| seat.number.to_string()),
            holder: holder.map_or(String::new(), |account| account.username.clone()),
            order: ticket.order.reference(),
            price: Money { amount, currency }.to_string(),
            seller: self.seller.clone(),
        }
    }
}

/// A showtime as mails show it.
pub(super) fn show(showtime: &ShowtimeDetail) -> Show {
    let event = &showtime.event.event;
    Show {
        title: event.title.clone(),
        venue: event.venue.name.clone(),
        city: event.venue.city.clone(),
        starts_at: showtime.starts_at,
        time_zone: event.venue.time_zone.clone(),
    }
}

/// The entry in a calendar that stands for an order's showtime, the same in every file.
pub(crate) fn calendar_uid(order: &OrderId) -> String {
    format!("order-{order}@tidegate")
}
