//! What the provider says unasked: whether it was the provider who said it, and about which intent. What it says about
//! the intent is not believed; whoever handles the event reads the intent again.
//!
//! The signature is Stripe's: `Stripe-Signature: t=SECONDS,v1=HEX[,v1=HEX]`, each `v1` being the HMAC-SHA256 of
//! `SECONDS.BODY` under one of the secrets in use (<https://docs.stripe.com/webhooks#verify-manually>).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Secret;
use super::stripe::IntentId;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "stripe-signature";

/// How far the signature's time may be from ours, in either direction: Stripe's own default.
pub const TOLERANCE_S: i64 = 300;

/// Longest signature header that is looked at. One signature takes about 80 bytes, and two secrets are in use at most
/// while one replaces the other.
const HEADER_LEN_MAX: usize = 2048;

/// Longest id of an event that is taken; Stripe's have 28 characters.
const EVENT_ID_LEN_MAX: usize = 128;

/// An event whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The event's own id. The same one may come more than once.
    pub id: String,
    /// What happened, in Stripe's words: `payment_intent.succeeded`.
    pub kind: String,
    /// The intent it is about, if it is about one.
    pub intent: Option<IntentId>,
    /// How a dispute ended, where this says that one did.
    pub won: Option<bool>,
    /// When it happened, in seconds since 1970, by the provider's clock.
    pub created_s: i64,
}

/// Why a body is not taken for the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// There is no signature, or it cannot be read.
    #[error("the signature header is missing or is not t=SECONDS,v1=HEX")]
    Header,
    /// No signature was made of this body with any of the secrets.
    #[error("no signature fits the body; is this the endpoint's secret?")]
    Signature,
    /// A good signature, made too long ago or in the future. Somebody may be repeating an old message.
    #[error("the signature is {off_s} seconds away from this machine's clock, and {TOLERANCE_S} are allowed")]
    Time {
        /// How far: positive when it lies in the past.
        off_s: i64,
    },
    /// Signed, and still no event.
    #[error("the signed body is not an event")]
    Body,
}

/// Reads an event, if one of `secrets` signed `raw_body` within [`TOLERANCE_S`] of `now`. The time taken does not depend
/// on how much of a signature is right.
pub fn verify(
    secrets: &[Secret],
    header: &str,
    raw_body: &[u8],
    now: Timestamp,
) -> Result<WebhookEvent, BadWebhook> {
    let signed = Signed::parse(header).ok_or(BadWebhook::Header)?;
    let made_by = |secret: &Secret| {
        let tag = tag(secret, signed.time, raw_body);
        let mut fits = false;
        for candidate in &signed.tags {
            fits |= verify_slices_are_equal(tag.as_ref(), candidate).is_ok();
        }
        fits
    };
    if !secrets.iter().any(made_by) {
        return Err(BadWebhook::Signature);
    }
    let at: i64 = signed.time.parse().map_err(|_| BadWebhook::Header)?;
    let off_s = now.as_second().saturating_sub(at);
    if off_s.saturating_abs() > TOLERANCE_S {
        return Err(BadWebhook::Time { off_s });
    }
    read(raw_body)
}

/// The header for `raw_body`, signed at `now` with every secret: the provider's side.
pub fn sign(secrets: &[Secret], raw_body: &[u8], now: Timestamp) -> String {
    let time = now.as_second().to_string();
    let mut header = format!("t={time}");
    for secret in secrets {
        header.push_str(",v1=");
        for byte in tag(secret, &time, raw_body).as_ref() {
            header.push_str(&format!("{byte:02x}"));
        }
    }
    header
}

fn tag(secret: &Secret, time: &str, raw_body: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut over = hmac::Context::with_key(&key);
    over.update(time.as_bytes());
    over.update(b".");
    over.update(raw_body);
    over.sign()
}

/// The header, taken apart.
struct Signed<'a> {
    /// As written, because that text was signed.
    time: &'a str,
    tags: Vec<[u8; 32]>,
}

impl<'a> Signed<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        if header.len() > HEADER_LEN_MAX {
            return None;
        }
        let (mut time, mut tags) = (None, Vec::new());
        for part in header.split(',') {
            match part.trim().split_once('=') {
                Some(("t", text)) if time.is_none() => time = Some(text),
                // One that cannot be read fits nothing; another may.
                Some(("v1", text)) => tags.extend(unhex(text)),
                // Other schemes, such as the `v0` of test events, prove nothing.
                _ => {}
            }
        }
        let time = time.filter(|text| (1..=12).contains(&text.len()))?;
        let digits = time.bytes().all(|byte| byte.is_ascii_digit());
        digits.then_some(Self { time, tags })
    }
}

/// 64 hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn read(raw_body: &[u8]) -> Result<WebhookEvent, BadWebhook> {
    #[derive(Deserialize)]
    struct Wire {
        id: String,
        #[serde(rename = "type")]
        kind: String,
        created: i64,
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        object: Value,
    }
    let wire: Wire = serde_json::from_slice(raw_body).map_err(|_| BadWebhook::Body)?;
    if wire.id.is_empty() || wire.id.len() > EVENT_ID_LEN_MAX {
        return Err(BadWebhook::Body);
    }
    // The object is the intent itself, or a charge or refund that names it.
    let object = &wire.data.object;
    let name = if object["object"] == "payment_intent" {
        &object["id"]
    } else {
        &object["payment_intent"]
    };
    let won = match (wire.kind.as_str(), object["status"].as_str()) {
        ("charge.dispute.closed", Some(status)) => Some(matches!(status, "won" | "warning_closed")),
        _ => None,
    };
    Ok(WebhookEvent {
        id: wire.id,
        kind: wire.kind,
        won,
        intent: name.as_str().and_then(|id| id.parse().ok()),
        created_s: wire.created,
    })
}
