//! A ticket that is passed on: the deed, and the mails to both sides, which go out later like all that are about an order.

use super::Fulfilment;
use super::carry::Carried;
use super::letters::{Sent, mail_key, printed, written_at};
use super::office::show;
use crate::domain::order::{Side, Transfer};
use crate::domain::{Account, AccountId, ShowtimeDetail};
use crate::mail::{Attachment, AttachmentKind, Letter, TicketReceived, TicketSent};
use crate::store::{Entry, PassedOn, StoreError};
use crate::ticket::Ticket;

/// Who is named in a mail instead of somebody whose account is gone.
const NOBODY: &str = "somebody who has left";

impl Fulfilment {
    /// Gives a ticket to another account, and has both told.
    pub(crate) async fn pass_on(
        &self,
        ticket: &Ticket,
        from: &AccountId,
        to: &AccountId,
    ) -> Result<PassedOn, StoreError> {
        let passed = self.store.pass_on(ticket, from, to).await?;
        self.wake.notify_one();
        Ok(passed)
    }

    /// Tells one side. Who has no account any more, or none with an address, is told nothing.
    pub(super) async fn tell_of_transfer(
        &self,
        transfer: &Transfer,
        entry: &Entry,
    ) -> Result<Carried, StoreError> {
        let from = self.store.account(&transfer.from).await?;
        let to = self.store.account(&transfer.to).await?;
        let reader = match transfer.tells {
            Side::Giver => &from,
            Side::Receiver => &to,
        };
        let Some((reader, address)) = reader
            .as_ref()
            .and_then(|account| Some((account, account.email.as_ref()?)))
        else {
            return Ok(Carried::Done);
        };
        let Some(ticket) = self.store.ticket(transfer.ticket).await? else {
            return Ok(Carried::Done);
        };
        let Some(showtime) = self.store.showtime(ticket.showtime).await? else {
            return Ok(Carried::Done);
        };
        let (letter, paper): (Letter, _) = match transfer.tells {
            Side::Giver => (self.to_giver(&ticket, &showtime, to.as_ref()), None),
            // Passed on again, or void, before this mail went out: the code is another's now, or nobody's.
            Side::Receiver if ticket.dead || ticket.generation != transfer.generation => {
                return Ok(Carried::Done);
            }
            Side::Receiver => (
                self.to_receiver(&ticket, &showtime, from.as_ref()),
                self.paper(&ticket, &showtime, reader).await,
            ),
        };
        let (address, name) = (address.as_str().to_owned(), reader.username.clone());
        let attachments = paper.into_iter().collect();
        let sent = self
            .mail(
                &mail_key(entry),
                address,
                name,
                written_at(entry),
                letter,
                attachments,
            )
            .await;
        Ok(match sent {
            Sent::Yes | Sent::Never => Carried::Done,
            Sent::NotNow => Carried::Again,
        })
    }

    fn to_giver(&self, ticket: &Ticket, showtime: &ShowtimeDetail, to: Option<&Account>) -> Letter {
        TicketSent {
            show: show(showtime),
            seat: seat(ticket),
            to: name(to),
            order_url: format!("{}/orders/{}", self.site.url, ticket.order),
        }
        .into()
    }

    fn to_receiver(&self, ticket: &Ticket, showtime: &ShowtimeDetail, from: Option<&Account>) -> Letter {
        TicketReceived {
            show: show(showtime),
            seat: seat(ticket),
            from: name(from),
            ticket_url: format!("{}/tickets/{}", self.site.url, ticket.id),
        }
        .into()
    }

    async fn paper(
        &self,
        ticket: &Ticket,
        showtime: &ShowtimeDetail,
        holder: &Account,
    ) -> Option<Attachment> {
        let face = self.office.face(ticket, showtime, Some(holder));
        let bytes = printed(vec![face]).await?;
        Some(Attachment {
            name: format!("ticket-{}.pdf", ticket.id),
            kind: AttachmentKind::Pdf,
            bytes,
        })
    }
}

fn seat(ticket: &Ticket) -> String {
    format!("{} {}", ticket.section, ticket.seat)
}

fn name(account: Option<&Account>) -> String {
    account.map_or(NOBODY, |account| &account.username).to_owned()
}
