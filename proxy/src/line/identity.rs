//! Who sends a request, as far as signed tokens say.

use std::time::Duration;

use http::HeaderValue;
use tidegate_queue::line::Visitor;
use tidegate_queue::tokens::{self, KeyRing, TokenError, VisitorCard};

use super::Asked;
use crate::request::cookies;
use crate::request::headers::bearer;
use crate::request::problem::{Problem, cases};
use crate::room::Room;

/// Browsers cap cookie lives at 400 days; a place lives until its round ends.
const COOKIE_LIFE: Duration = Duration::from_secs(400 * 24 * 3_600);

/// What the tokens of a request say.
#[derive(Default)]
pub struct Identity {
    /// The visitor of the cookie; absent when there is none of ours.
    pub visitor: Option<Visitor>,
    /// The place, from the bearer token or the cookie.
    pub place: Option<Result<tokens::Place, Problem>>,
}

impl Identity {
    /// Reads the tokens of a request. `offered` is a place token that came another way (a subprotocol).
    pub fn read(ring: &KeyRing, room: &Room, asked: &Asked<'_>, offered: Option<&str>) -> Self {
        let names = room.names(asked.secure);
        let visitor = cookies::find(asked.headers, &names.visitor)
            .and_then(|token| ring.verify::<VisitorCard>(token, 0).ok())
            .map(|card| card.visitor);
        let explicit = offered.or_else(|| bearer(asked.headers));
        let place = match explicit {
            Some(token) => Some(ring.verify(token, 0).map_err(problem_of)),
            // A cookie belongs to the visitor of the other cookie: one without the other was copied.
            None => cookies::find(asked.headers, &names.place)
                .map(|token| ring.verify::<tokens::Place>(token, 0).map_err(problem_of))
                .map(|verified| match verified {
                    Ok(claims) if visitor != Some(claims.visitor) => Err(cases::wrong_visitor()),
                    verified => verified,
                }),
        };
        Self { visitor, place }
    }

    /// The place of this room, where the request has a good one; a token that is bad or of another room is a problem.
    pub fn place(self, room: &Room) -> Result<tokens::Place, Problem> {
        let claims = self.place.ok_or_else(cases::missing_token)??;
        if claims.room == room.config.id.as_str() {
            Ok(claims)
        } else {
            Err(cases::wrong_room())
        }
    }

    /// The place of this room, if any: what is bad about one makes its bearer an arrival.
    pub fn place_if_good(&self, room: &Room) -> Option<&tokens::Place> {
        let claims = self.place.as_ref()?.as_ref().ok()?;
        (claims.room == room.config.id.as_str()).then_some(claims)
    }
}

/// What to tell about a token that was refused.
pub fn problem_of(error: TokenError) -> Problem {
    match error {
        TokenError::Malformed | TokenError::Forged | TokenError::OtherPurpose => cases::forged_token(),
        TokenError::Expired => cases::expired_token(),
    }
}

/// A visitor who has not been here before.
pub fn new_visitor() -> Visitor {
    Visitor(rand::random())
}

/// The cookies by which a browser keeps who it is and, if given, its place.
pub fn cookies_of(
    ring: &KeyRing,
    room: &Room,
    secure: bool,
    visitor: Visitor,
    place_token: Option<&str>,
) -> Vec<HeaderValue> {
    let names = room.names(secure);
    let card = ring.sign(&VisitorCard { visitor });
    let place = place_token.map(|token| names.set(&names.place, token, COOKIE_LIFE));
    let all = std::iter::once(names.set(&names.visitor, &card, COOKIE_LIFE)).chain(place);
    // What we signed always fits into a cookie.
    all.filter_map(Result::ok).collect()
}

/// The cookie of a visit that lives so long at most.
pub fn visit_cookie(room: &Room, secure: bool, token: &str, lives: Duration) -> Option<HeaderValue> {
    let names = room.names(secure);
    names.set(&names.visit, token, lives).ok()
}
