//! The mails about an order: which letter, to whom, and what comes with it.

use jiff::Timestamp;

use super::Fulfilment;
use super::carry::Carried;
use super::office::{calendar_uid, show};
use crate::domain::order::{Ending, Event, Mail as Occasion, State};
use crate::domain::{Purchase, ShowtimeDetail};
use crate::mail::{
    Attachment, AttachmentKind, EventCancelled, Letter, Mail, NotCharged, PaidTwice, Refunded, TicketsIssued,
};
use crate::store::{Entry, StoreError};
use crate::ticket::TicketFace;
use crate::ticket::calendar::{CalendarEntry, EntryStatus, calendar};
use crate::ticket::pdf::pdf;

impl Fulfilment {
    pub(super) async fn send(
        &self,
        purchase: &Purchase,
        occasion: Occasion,
        entry: &Entry,
    ) -> Result<Carried, StoreError> {
        let Some(to) = purchase.email.clone() else {
            return Ok(Carried::Done);
        };
        // Given back before the mail with them went out.
        if occasion == Occasion::Tickets && purchase.order.state != State::Issued {
            return Ok(Carried::Done);
        }
        let Some(showtime) = self.store.showtime(purchase.showtime).await? else {
            return Ok(Carried::Done);
        };
        let letter = self.letter(purchase, occasion, &showtime);
        let attachments = match occasion {
            Occasion::Tickets => self.attachments(purchase, &showtime).await?,
            _ => Vec::new(),
        };
        // The same text on every try, for the same Message-ID.
        let key = format!("{}-{}", mail_key(entry), purchase.id);
        let sent = self
            .mail(&key, to, String::new(), written_at(entry), letter, attachments)
            .await;
        match sent {
            Sent::Yes => {
                self.apply(&purchase.id, &Event::MailSent(occasion)).await?;
                Ok(Carried::Done)
            }
            Sent::Never => Ok(Carried::Done),
            Sent::NotNow => Ok(Carried::Again),
        }
    }

    /// Writes one mail and sends it.
    pub(crate) async fn mail(
        &self,
        key: &str,
        to: String,
        to_name: String,
        written_at: Timestamp,
        letter: Letter,
        attachments: Vec<Attachment>,
    ) -> Sent {
        let (Ok(key), Ok(rendered)) = (key.parse(), letter.render(&self.site)) else {
            tracing::error!(key, "a mail cannot be written");
            return Sent::Never;
        };
        let mail = Mail {
            key,
            to,
            to_name,
            written_at,
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            attachments,
        };
        match self.mailer.send(&mail).await {
            Ok(_) => Sent::Yes,
            Err(error) if error.is_permanent() => {
                tracing::warn!(%error, mail = %mail.key, "a mail was given up");
                Sent::Never
            }
            Err(error) => {
                tracing::warn!(%error, mail = %mail.key, "a mail is tried again later");
                Sent::NotNow
            }
        }
    }

    fn letter(&self, purchase: &Purchase, occasion: Occasion, showtime: &ShowtimeDetail) -> Letter {
        let (show, order) = (show(showtime), purchase.id.reference());
        let place = |line: &crate::domain::Line| format!("{} {}", line.section, line.seat);
        let seats: Vec<String> = purchase.lines.iter().map(place).collect();
        let total = purchase.order.total.to_string();
        let order_url = format!("{}/orders/{}", self.site.url, purchase.id);
        let showtime_url = format!("{}/showtimes/{}", self.site.url, purchase.showtime);
        let not_charged = |reason: &str| NotCharged {
            show: show.clone(),
            seats: seats.clone(),
            order: order.clone(),
            total: total.clone(),
            reason: reason.to_owned(),
            showtime_url,
        };
        match occasion {
            Occasion::Tickets => TicketsIssued {
                show,
                seats,
                order,
                total,
                order_url,
            }
            .into(),
            Occasion::NotCharged => match purchase.order.ending {
                Some(Ending::SeatsGone) => not_charged("The seats had gone to somebody else.").into(),
                _ => not_charged("The payment came after the time for it was over.").into(),
            },
            Occasion::Declined => not_charged("The payment was declined.").into(),
            Occasion::CalledOff => not_charged("It was called off.").into(),
            Occasion::PaidTwice => PaidTwice {
                show,
                order,
                amount: total,
                order_url,
            }
            .into(),
            Occasion::EventCancelled => EventCancelled {
                show,
                order,
                amount: total,
                order_url,
            }
            .into(),
            Occasion::RefundUnderWay | Occasion::Refunded => Refunded {
                show,
                seats,
                order,
                amount: total,
                order_url,
            }
            .into(),
        }
    }

    /// The tickets to print, and the date for a calendar.
    async fn attachments(
        &self,
        purchase: &Purchase,
        showtime: &ShowtimeDetail,
    ) -> Result<Vec<Attachment>, StoreError> {
        let tickets = self.store.tickets_of_order(&purchase.id).await?;
        let holder = match purchase.owner.account_id() {
            Some(id) => self.store.account(&id).await?,
            None => None,
        };
        let live = tickets.iter().filter(|ticket| !ticket.dead);
        let faces: Vec<TicketFace> = live
            .map(|ticket| self.office.face(ticket, showtime, holder.as_ref()))
            .collect();
        let entry = self.calendar_entry(purchase, showtime);
        let name = format!("tickets-{}", purchase.id.reference());
        let mut files = Vec::new();
        if let Some(bytes) = printed(faces).await {
            files.push(Attachment {
                name: format!("{name}.pdf"),
                kind: AttachmentKind::Pdf,
                bytes,
            });
        }
        files.push(Attachment {
            name: format!("{name}.ics"),
            kind: AttachmentKind::Calendar,
            bytes: calendar(&[entry]).into_bytes(),
        });
        Ok(files)
    }

    /// An order's showtime for a calendar.
    pub(crate) fn calendar_entry(&self, purchase: &Purchase, showtime: &ShowtimeDetail) -> CalendarEntry {
        let event = &showtime.event.event;
        let seats: Vec<String> = purchase
            .lines
            .iter()
            .map(|line| format!("{} {}", line.section, line.seat))
            .collect();
        let stands = purchase.order.issued > 0 || purchase.order.total.amount == 0;
        CalendarEntry {
            uid: calendar_uid(&purchase.id),
            sequence: u32::from(!stands),
            stamped_at: Timestamp::from_millisecond(purchase.created_at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
            starts_at: showtime.starts_at,
            ends_at: None,
            title: event.title.clone(),
            location: format!("{}, {}", event.venue.name, event.venue.city),
            description: format!("{}\nOrder {}", seats.join(", "), purchase.id.reference()),
            url: Some(format!("{}/orders/{}", self.site.url, purchase.id)),
            status: match stands && !showtime.cancelled {
                true => EntryStatus::Confirmed,
                false => EntryStatus::Cancelled,
            },
        }
    }
}

/// The name of an entry, as it may stand in a Message-ID.
pub(super) fn mail_key(entry: &Entry) -> String {
    entry.key.replace([':', '_'], "-")
}

/// When a mail was decided, which every try of it says.
pub(super) fn written_at(entry: &Entry) -> Timestamp {
    Timestamp::from_millisecond(entry.made_at_ms).unwrap_or_else(|_| Timestamp::now())
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Yes,
    /// This mail will never go out.
    Never,
    NotNow,
}

/// The PDF, drawn off the threads that serve requests: a page takes milliseconds.
pub(crate) async fn printed(faces: Vec<TicketFace>) -> Option<Vec<u8>> {
    match tokio::task::spawn_blocking(move || pdf(&faces)).await {
        Ok(Ok(bytes)) => Some(bytes),
        Ok(Err(error)) => {
            tracing::error!(%error, "tickets cannot be printed");
            None
        }
        Err(_) => None,
    }
}
