//! What the readers of requests refuse, as problems.

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, StatusCode};

use super::Problem;
use super::cases::{bad_request, foreign_origin, method_not_allowed};
use crate::request::{hygiene, path, route};
use crate::wire::handshake;

impl From<path::Refused> for Problem {
    fn from(reason: path::Refused) -> Self {
        match reason {
            path::Refused::TooLong => {
                let detail = reason.to_string();
                Self::new(
                    StatusCode::URI_TOO_LONG,
                    "target-too-long",
                    "The address is too long",
                    detail,
                )
            }
            _ => bad_request(reason.to_string()),
        }
    }
}

impl From<hygiene::Refused> for Problem {
    fn from(reason: hygiene::Refused) -> Self {
        match reason {
            hygiene::Refused::Method => {
                let detail = reason.to_string();
                Self::new(
                    StatusCode::NOT_IMPLEMENTED,
                    "method-not-served",
                    "Method not served",
                    detail,
                )
            }
            _ => bad_request(reason.to_string()),
        }
    }
}

impl From<route::Ambiguous> for Problem {
    fn from(reason: route::Ambiguous) -> Self {
        bad_request(reason.to_string())
    }
}

impl From<handshake::Refused> for Problem {
    fn from(reason: handshake::Refused) -> Self {
        use handshake::Refused;
        let detail = reason.to_string();
        match reason {
            Refused::NotGet => method_not_allowed("GET"),
            Refused::ForeignOrigin => foreign_origin(),
            Refused::NotAnUpgrade | Refused::Version => Self::new(
                StatusCode::UPGRADE_REQUIRED,
                "upgrade-required",
                "A websocket is needed",
                detail,
            )
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Refused::Key | Refused::Subprotocol | Refused::PlaceToken => Self::new(
                StatusCode::BAD_REQUEST,
                "bad-handshake",
                "The websocket handshake does not fit",
                detail,
            ),
        }
    }
}
