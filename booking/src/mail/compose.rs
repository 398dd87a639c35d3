//! A mail as bytes, with its envelope. The same mail gives the same bytes on every try.
//!
//! No field can begin a header of its own: the library encodes header values, and what it gets has no line breaks.

use std::time::SystemTime;

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox, Message, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use super::error::MailError;
use super::message::{Attachment, Mail};

/// Most bytes of a mail. Servers commonly take 20 to 35 MB; a hundred tickets have under one.
const BYTES_MAX: usize = 10 * 1024 * 1024;

/// Longest subject, in characters. Programs show about 70.
const SUBJECT_MAX: usize = 150;

/// Longest name of a person or a file, in characters.
const NAME_MAX: usize = 80;

/// Longest address (RFC 5321, section 4.5.3.1.3, less the brackets).
const ADDRESS_MAX: usize = 254;

/// Ready to be handed over.
pub(super) struct Composed {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Puts the mail together.
pub(super) fn compose(mail: &Mail, from: &Mailbox) -> Result<Composed, MailError> {
    let broken = |why: lettre::error::Error| MailError::Compose(why.to_string());
    let body = body(mail)?;
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", mail.key, from.email.domain())))
        .date(written(mail))
        .from(from.clone())
        .to(recipient(mail)?)
        .subject(one_line(&mail.subject, SUBJECT_MAX))
        // Keeps holiday notices from answering (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(body)
        .map_err(broken)?;
    let bytes = message.formatted();
    if bytes.len() > BYTES_MAX {
        return Err(MailError::TooLarge {
            bytes: bytes.len(),
            max: BYTES_MAX,
        });
    }
    Ok(Composed {
        envelope: message.envelope().clone(),
        bytes,
    })
}

fn recipient(mail: &Mail) -> Result<Mailbox, MailError> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if mail.to.len() > ADDRESS_MAX || mail.to.contains(odd) {
        return Err(MailError::BadAddress);
    }
    let address = mail.to.parse().map_err(|_| MailError::BadAddress)?;
    let name = one_line(&mail.to_name, NAME_MAX);
    Ok(Mailbox::new((!name.is_empty()).then_some(name), address))
}

/// The format knows no time before 1970.
fn written(mail: &Mail) -> SystemTime {
    SystemTime::from(mail.written_at).max(SystemTime::UNIX_EPOCH)
}

fn body(mail: &Mail) -> Result<MultiPart, MailError> {
    let [inner, outer] = boundaries(mail);
    let both = MultiPart::alternative()
        .boundary(inner)
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    if mail.attachments.is_empty() {
        return Ok(both);
    }
    let mixed = MultiPart::mixed().boundary(outer).multipart(both);
    mail.attachments.iter().try_fold(mixed, |mixed, attachment| {
        let kind = ContentType::parse(attachment.kind.media_type())
            .map_err(|why| MailError::Compose(why.to_string()))?;
        let part = Part::new(file_name(attachment)).body(attachment.bytes.clone(), kind);
        Ok(mixed.singlepart(part))
    })
}

/// What separates the parts: follows from the contents, so that it is the same on every try and nobody can write a text
/// that contains it.
fn boundaries(mail: &Mail) -> [String; 2] {
    let mut digest = Sha256::new();
    for text in [mail.key.as_str(), &mail.subject, &mail.text, &mail.html] {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    let digest = digest.finalize();
    let hex: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    [format!("tidegate-inner-{hex}"), format!("tidegate-outer-{hex}")]
}

/// A text that goes into a header: control characters and line breaks become spaces, and the end is cut.
fn one_line(text: &str, max: usize) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let plain = text.chars().take(max).map(|c| if breaks(c) { ' ' } else { c });
    plain.collect::<String>().trim().to_owned()
}

fn file_name(attachment: &Attachment) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = attachment.name.trim_start_matches('.').chars().take(NAME_MAX);
    name.map(|c| if safe(c) { c } else { '-' }).collect()
}
