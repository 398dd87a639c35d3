//! Mail: what fans are written, how a mail is put together, and how it leaves the house.
//!
//! A mail leaves through an SMTP server, or, without one, as an `.eml` file that any mail program opens. Delivery is at
//! least once: whoever sends keeps a mail until [`Mailer::send`] said yes, and tries again after a temporary error. The
//! Message-ID comes from the mail's key and stays the same, so at worst the same mail arrives twice and is recognised.
//!
//! Nothing here knows the outbox, the database or HTTP.

mod compose;
mod config;
mod error;
mod folder;
mod letter;
mod letters;
mod mailer;
mod message;
mod relay;

pub use config::{MailConfig, MailConfigError, SEND_WITHIN};
pub use error::MailError;
pub use letter::{Fact, Letter, Link, Rendered, Show, Site};
pub use letters::{
    EventCancelled, NotCharged, PaidTwice, PasswordReset, Refunded, TicketReceived, TicketSent, TicketsIssued,
};
pub use mailer::{Delivery, Mailer};
pub use message::{Attachment, AttachmentKind, BadMailKey, Mail, MailKey};
