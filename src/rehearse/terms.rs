//! What the room promises, asked of the edge's admin API where it was not given.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use tokio::time::sleep;

use super::cookies::Jar;
use super::fan::World;
use super::http::{Client, Target};
use super::observe::Terms;
use super::sites::Site;

/// How often to look whether a fan has learned the room's name.
const ROOM_EVERY: Duration = Duration::from_millis(200);

/// The admin API.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    /// Where it is.
    pub(crate) site: Site,
    /// Its bearer token.
    pub(crate) token: String,
}

/// The part of a room's description that a rehearsal reads.
#[derive(Debug, Deserialize)]
struct Room {
    active_max: u32,
    admit_per_min: u32,
}

/// Fills in what was not given, as soon as the room is known.
pub(crate) async fn ask(admin: &Admin, world: &World, given: Terms) -> anyhow::Result<Terms> {
    let room = loop {
        match world.room.get() {
            Some(room) => break room,
            None => sleep(ROOM_EVERY).await,
        }
    };
    let target = Target::new(admin.site.addr, &admin.site.authority, 1)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", admin.token)).context("--admin-token")?;
    let path = format!("/api/v1/rooms/{room}");
    let headers = [(AUTHORIZATION, bearer)];
    let (mut client, no_cookies) = (Client::new(0), Jar::default());
    let answer = match client
        .send(&target, &no_cookies, Method::GET, &path, &headers, Bytes::new())
        .await
    {
        Ok(answer) if answer.status.is_success() => answer,
        Ok(answer) => bail!("the admin API answered {} for room {room}", answer.status),
        Err(failure) => bail!("the admin API cannot be asked ({})", failure.kind),
    };
    let said: Room = serde_json::from_slice(&answer.body).context("the admin API's answer is not a room")?;
    Ok(Terms {
        limit: given.limit.or(Some(said.active_max)),
        rate_per_min: given.rate_per_min.or(Some(said.admit_per_min)),
    })
}
