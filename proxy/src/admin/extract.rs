//! What a path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use tidegate_queue::line::VisitId;

use super::{Shared, problems};
use crate::request::problem::{Problem, cases};
use crate::room::Room;

/// The room of `{room}`.
pub(super) struct Named(pub(super) Arc<Room>);

/// The visit of `{visit}`, live or not.
pub(super) struct NamedVisit(pub(super) VisitId);

impl FromRequestParts<Shared> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Shared) -> Result<Self, Problem> {
        let name = param(parts, "room").await.ok_or_else(cases::no_such_room)?;
        admin
            .state
            .rooms
            .get(&name)
            .cloned()
            .map(Self)
            .ok_or_else(cases::no_such_room)
    }
}

impl FromRequestParts<Shared> for NamedVisit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let id = param(parts, "visit").await.and_then(|text| text.parse().ok());
        id.map(Self).ok_or_else(problems::no_such_visit)
    }
}

async fn param(parts: &mut Parts, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    params
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}
