//! The claims of each kind of token.

use jsonwebtoken::Algorithm;
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::line::{self, Epoch, Round, VisitId, Visitor};

/// The `typ` of a user token: who has logged in at a service behind the edge, signed by that service (booking is one) and
/// verified at the edge.
pub const USER_TOKEN_TYPE: &str = "tidegate-user+jwt";

/// What a kind of token has in common: its algorithm, its type, its end.
pub trait Claims: Clone + Serialize + DeserializeOwned {
    /// The `typ` of its header.
    const TYPE: &'static str;
    /// The only algorithm it is signed with.
    const ALGORITHM: Algorithm;
    /// When it expires, in Unix seconds; absent when it lives as long as what it names.
    fn exp(&self) -> Option<u64>;
    /// Where verified ones are remembered; kinds that are read once or kept elsewhere are not.
    fn seen(_seen: &Seen) -> Option<&Cache<Box<str>, Self>> {
        None
    }
}

/// Tokens that were verified lately, by their text. A fan who looks again, or whose page polls, sends the same two every
/// few seconds; checking the signatures anew would be a sixth of what the answer costs.
pub struct Seen {
    visitors: Cache<Box<str>, VisitorCard>,
    places: Cache<Box<str>, Place>,
}

impl Seen {
    /// Remembers so many of each kind.
    pub(super) fn new(most: usize) -> Self {
        Self {
            visitors: Cache::new(most),
            places: Cache::new(most),
        }
    }
}

/// Who a browser or app is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorCard {
    /// The visitor.
    pub visitor: Visitor,
}

/// A fan's place in a room's line; lives until the round ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The room's id.
    pub room: String,
    /// The round it was given in.
    pub round: Round,
    /// The epoch of the place.
    pub epoch: Epoch,
    /// The number of the place.
    pub number: u64,
    /// Whose it is.
    pub visitor: Visitor,
}

impl Place {
    /// The place it names.
    pub fn place(&self) -> line::Place {
        line::Place {
            epoch: self.epoch,
            number: self.number,
        }
    }
}

/// A place is admitted: its visitor may enter. The same visitor may repeat it within its life and gets the same visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The room's id.
    pub room: String,
    /// The round it was granted in.
    pub round: Round,
    /// The epoch of the place.
    pub epoch: Epoch,
    /// The number of the place.
    pub number: u64,
    /// Who may enter with it.
    pub visitor: Visitor,
    /// The visit granted.
    #[serde(with = "visit_text")]
    pub visit: VisitId,
    /// When it expires, in Unix seconds.
    pub exp: u64,
}

/// A live visit. Its `exp` slides with every renewal; the line decides whether it is still live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The room's id.
    pub room: String,
    /// The round it was granted in.
    pub round: Round,
    /// The epoch of the place.
    pub epoch: Epoch,
    /// The number of the place.
    pub number: u64,
    /// Whose visit it is.
    pub visitor: Visitor,
    /// The visit.
    #[serde(with = "visit_text")]
    pub visit: VisitId,
    /// When it expires unless renewed, in seconds of room time.
    pub exp: u64,
    /// When it ends whatever happens, in seconds of room time.
    pub end: u64,
}

/// To the origin: this request belongs to this visit. Verified with the public keys of `jwks.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The room's id.
    pub room: String,
    /// The round the visit was granted in.
    pub round: Round,
    /// The epoch of the place.
    pub epoch: Epoch,
    /// The number of the place.
    pub number: u64,
    /// Whose visit it is.
    pub visitor: Visitor,
    /// The visit.
    #[serde(with = "visit_text")]
    pub visit: VisitId,
    /// When it was made, in Unix seconds.
    pub iat: u64,
    /// When it expires, in Unix seconds.
    pub exp: u64,
}

macro_rules! claims {
    ($($name:ident: $algorithm:ident, $type:literal, $exp:expr $(, $seen:ident)?;)*) => {$(
        impl Claims for $name {
            const TYPE: &'static str = $type;
            const ALGORITHM: Algorithm = Algorithm::$algorithm;
            fn exp(&self) -> Option<u64> {
                let exp: fn(&Self) -> Option<u64> = $exp;
                exp(self)
            }
            $(fn seen(seen: &Seen) -> Option<&Cache<Box<str>, Self>> {
                Some(&seen.$seen)
            })?
        }
    )*};
}

claims! {
    VisitorCard: HS256, "tidegate-visitor+jwt", |_| None, visitors;
    Place: HS256, "tidegate-place+jwt", |_| None, places;
    Admission: HS256, "tidegate-admission+jwt", |claims| Some(claims.exp);
    Visit: HS256, "tidegate-visit+jwt", |claims| Some(claims.exp);
    Assertion: EdDSA, "tidegate-assertion+jwt", |claims| Some(claims.exp);
}

/// A visit id as text, so that it reads the same in a token, a path and a log.
mod visit_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::line::VisitId;

    pub(super) fn serialize<S: Serializer>(visit: &VisitId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(visit)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VisitId, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
