//! The signed text in a ticket's QR code, and what a gate may conclude from one.
//!
//! Knows keys and bytes. It does not know whether a ticket was used, refunded or passed on: its row says that.
//!
//! # The format, for whoever writes a scanner
//!
//! The text is `TGT1.` followed by base32 (RFC 4648, capitals, no padding) of these bytes, numbers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | version of this layout: 1 |
//! | 1 | 4 | key id: the first four bytes of the SHA-256 of the 32-byte public key |
//! | 5 | 16 | ticket id |
//! | 21 | 4 | generation: 0 when issued, one more each time the ticket is passed on or issued anew |
//! | 25 | 8 | showtime id |
//! | 33 | 1 | n: length of the seat's name, at most 100 |
//! | 34 | n | the seat's name, UTF-8, for the eyes of the staff; empty where there are no numbered seats |
//! | 34 + n | 64 | Ed25519 signature (RFC 8032) by that key over all bytes before it |
//!
//! To verify without a network: keep the public keys (a JWK set, whose `kid` is the key id in hexadecimal); look up the
//! key, check the signature, compare the showtime with the one at this door, let each ticket id in once. A scanner that
//! has met a higher generation of a ticket refuses a lower one. Only the booking service knows the generation that is
//! valid at this moment; asking it makes an old code worthless the instant its ticket is passed on.
//!
//! # Why not a JWS
//!
//! QR codes store capitals and digits in 5.5 bits each and everything else in 8. For the seat `Stalls A-12` this form has
//! 180 characters, a code of 49 modules a side at error correction M; the same facts as a compact JWS have 272, a code
//! of 65, whose modules are a quarter narrower on the same paper. Base45 would be 6 % shorter still, but its spaces, `%`
//! and `/` do not survive being copied into a message or a form; this text does.

use data_encoding::BASE32_NOPAD;

use super::keys::{KeyId, PublicKeys, SIGNATURE_LEN, SigningKey};
use crate::domain::{Generation, ShowtimeId, TicketId};

/// What every ticket's text begins with, so that a scanner can tell it from any other code.
const PREFIX: &str = "TGT1.";

/// The layout of the bytes. Signed with them, so that no later layout can be passed off as this one.
const VERSION: u8 = 1;

/// Longest name of a seat in a code, in bytes. With it the code has 61 modules a side, which phones still read well.
pub const SEAT_LEN_MAX: usize = 100;

/// Bytes before the seat's name.
const HEAD_LEN: usize = 34;

/// Longest text that is looked at: the longest there is, and some white space that scanners add.
const TEXT_LEN_MAX: usize = 400;

/// What a ticket's text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketClaims {
    /// Which ticket.
    pub ticket: TicketId,
    /// Of which generation.
    pub generation: Generation,
    /// For which showtime.
    pub showtime: ShowtimeId,
    /// The seat, as staff read it: `Stalls A-12`. Empty where seats are not numbered.
    pub seat: String,
}

/// The seat's name does not fit into the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seat's name has {0} bytes; a ticket's code takes at most {SEAT_LEN_MAX}")]
pub struct SeatTooLong(pub usize);

/// Why somebody is not let in with this. The words are for the staff at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// Some other code.
    #[error("this is not one of our tickets")]
    NotATicket,
    /// Made by a newer Tidegate.
    #[error("this ticket is of a newer kind (version {0}); update the scanner")]
    OtherVersion(u8),
    /// Perhaps good, perhaps forged: its key is not among those at hand.
    #[error("this ticket was signed with the key {0}, which is not known here; fetch the keys again")]
    UnknownKey(KeyId),
    /// Changed or made up.
    #[error("this ticket is forged or damaged")]
    Forged,
    /// A good ticket, elsewhere or at another time.
    #[error("this ticket is for another showtime ({0})")]
    OtherShowtime(ShowtimeId),
    /// A good ticket once; its holder passed it on, or had it issued anew.
    #[error(
        "this code is no longer valid: the ticket was passed on or issued anew, and only its newest code counts"
    )]
    Superseded,
}

impl TicketClaims {
    /// The text for the QR code. The same ticket and key always give the same text.
    ///
    /// # Errors
    /// [`SeatTooLong`].
    pub fn sign(&self, key: &SigningKey) -> Result<String, SeatTooLong> {
        let seat = self.seat.as_bytes();
        if seat.len() > SEAT_LEN_MAX {
            return Err(SeatTooLong(seat.len()));
        }
        let mut bytes = Vec::with_capacity(HEAD_LEN + seat.len() + SIGNATURE_LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.id().0);
        bytes.extend_from_slice(&self.ticket.0.to_be_bytes());
        bytes.extend_from_slice(&self.generation.0.to_be_bytes());
        bytes.extend_from_slice(&self.showtime.0.to_be_bytes());
        bytes.push(u8::try_from(seat.len()).expect("the limit is below 256"));
        bytes.extend_from_slice(seat);
        let signature = key.sign(&bytes);
        bytes.extend_from_slice(&signature);
        Ok(format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes)))
    }

    /// Whether a verified ticket opens this door now, as far as showtime and generation go. `current` is what the
    /// ticket's row says; a generation from beyond it belongs to a row that a restored backup has forgotten, and the
    /// newest code that the row vouches for is the only one to believe.
    ///
    /// # Errors
    /// [`BadTicket::OtherShowtime`], [`BadTicket::Superseded`].
    pub fn check(&self, showtime: ShowtimeId, current: Generation) -> Result<(), BadTicket> {
        if self.showtime != showtime {
            return Err(BadTicket::OtherShowtime(self.showtime));
        }
        if self.generation != current {
            return Err(BadTicket::Superseded);
        }
        Ok(())
    }
}

/// Reads a text and checks its signature, with nothing but the public keys. White space around it is ignored, since
/// hand-held scanners end what they read with a line break.
///
/// # Errors
/// Any [`BadTicket`] but those of [`TicketClaims::check`], which the caller asks next.
pub fn verify(text: &str, keys: &PublicKeys) -> Result<TicketClaims, BadTicket> {
    if text.len() > TEXT_LEN_MAX {
        return Err(BadTicket::NotATicket);
    }
    let code = text.trim().strip_prefix(PREFIX).ok_or(BadTicket::NotATicket)?;
    let bytes = BASE32_NOPAD
        .decode(code.as_bytes())
        .map_err(|_| BadTicket::NotATicket)?;
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(BadTicket::OtherVersion(other)),
        None => return Err(BadTicket::NotATicket),
    }
    let signed_len = bytes
        .len()
        .checked_sub(SIGNATURE_LEN)
        .ok_or(BadTicket::NotATicket)?;
    let (signed, signature) = bytes.split_at(signed_len);
    let mut rest = Reader(&signed[1..]);
    let id = KeyId(rest.take().ok_or(BadTicket::NotATicket)?);
    let key = keys.get(id).ok_or(BadTicket::UnknownKey(id))?;
    if !key.verifies(signed, signature) {
        return Err(BadTicket::Forged);
    }
    rest.claims().ok_or(BadTicket::NotATicket)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn claims(&mut self) -> Option<TicketClaims> {
        let ticket = TicketId(u128::from_be_bytes(self.take()?));
        let generation = Generation(u32::from_be_bytes(self.take()?));
        let showtime = ShowtimeId(i64::from_be_bytes(self.take()?));
        let [seat_len] = self.take()?;
        let seat = String::from_utf8(self.0.to_vec()).ok()?;
        (seat.len() == usize::from(seat_len)).then_some(TicketClaims {
            ticket,
            generation,
            showtime,
            seat,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed([n; 32]).expect("a key")
    }

    fn claims(seat: &str) -> TicketClaims {
        TicketClaims {
            ticket: TicketId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            generation: Generation(2),
            showtime: ShowtimeId(4711),
            seat: seat.to_owned(),
        }
    }

    #[test]
    fn what_was_signed_is_read_back_under_any_key_that_is_believed() {
        let keys = PublicKeys::new([key(1).public(), key(2).public()]).expect("two keys");
        for (signer, seat) in [(1, "Stalls A-12"), (2, ""), (1, "Kôr, rząd Ł-7")] {
            let text = claims(seat).sign(&key(signer)).expect("it fits");
            assert_eq!(verify(&text, &keys), Ok(claims(seat)));
            assert_eq!(verify(&format!(" {text}\r\n"), &keys), Ok(claims(seat)));
        }
        let retired = claims("A-1").sign(&key(3)).expect("it fits");
        assert_eq!(verify(&retired, &keys), Err(BadTicket::UnknownKey(key(3).id())));
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let text = claims("A-12").sign(&key(1)).expect("it fits");
        let bytes = BASE32_NOPAD
            .decode(&text.as_bytes()[PREFIX.len()..])
            .expect("base32");
        assert_eq!(bytes[0], 1);
        assert_eq!(bytes[1..5], key(1).id().0);
        assert_eq!(bytes[5..21], claims("").ticket.0.to_be_bytes());
        assert_eq!(bytes[21..25], [0, 0, 0, 2]);
        assert_eq!(bytes[25..33], 4711_i64.to_be_bytes());
        assert_eq!((bytes[33], &bytes[34..38]), (4, &b"A-12"[..]));
        assert_eq!(bytes.len(), 38 + 64);
        assert!(
            text.len() < 175
                && text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'.')
        );
    }

    #[test]
    fn the_row_decides_which_door_and_which_generation() {
        let ticket = claims("A-12");
        assert_eq!(ticket.check(ShowtimeId(4711), Generation(2)), Ok(()));
        let elsewhere = ticket.check(ShowtimeId(1), Generation(2));
        assert_eq!(elsewhere, Err(BadTicket::OtherShowtime(ShowtimeId(4711))));
        for current in [0, 1, 3] {
            let checked = ticket.check(ShowtimeId(4711), Generation(current));
            assert_eq!(checked, Err(BadTicket::Superseded));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_when_signing() {
        let longest = "x".repeat(SEAT_LEN_MAX);
        let text = claims(&longest).sign(&key(1)).expect("it fits");
        let keys = PublicKeys::new([key(1).public()]).expect("a key");
        assert_eq!(
            verify(&text, &keys).map(|claims| claims.seat),
            Ok(longest.clone())
        );
        assert_eq!(
            claims(&format!("{longest}x")).sign(&key(1)),
            Err(SeatTooLong(101))
        );
    }
}
