//! Where the fans go: the addresses given, looked up, and whether several of them are one site.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{Method, Uri};
use serde_json::Value;
use tokio::task::JoinSet;

use super::cookies::Jar;
use super::http::{Answer, Client, Target};
use super::plan::Plan;

/// One edge of the site, or what stands in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// As it was given, without a slash at its end.
    pub(crate) url: String,
    /// Its address.
    pub(crate) addr: SocketAddr,
    /// Host and port as fans call it.
    pub(crate) authority: String,
}

impl Site {
    /// Reads an http URL and looks its host up.
    pub(super) async fn of(url: &str) -> anyhow::Result<Self> {
        let (authority, host, port) = http_authority(url)?;
        let addr = lookup(&host, port).await.with_context(|| url.to_owned())?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            addr,
            authority,
        })
    }
}

/// What tells one line from another, as an edge says it to everyone.
struct Said {
    keys: BTreeSet<String>,
    room: Option<String>,
}

/// Refuses what is no edge, and edges that cannot be one site: one does not answer, signs with other keys, or guards the page with another
/// room. Edges with the same keys on different stores look the same here; the judge finds those.
pub(super) async fn are_one(plan: &Plan) -> anyhow::Result<()> {
    let mut asking = JoinSet::new();
    for (at, site) in plan.sites.iter().enumerate() {
        let (site, page, prefix) = (site.clone(), plan.path.clone(), plan.prefix.clone());
        asking.spawn(async move { (at, said_by(&site, &page, &prefix).await) });
    }
    let mut heard = Vec::new();
    while let Some(asked) = asking.join_next().await {
        let (at, said) = asked?;
        heard.push((at, said?));
    }
    heard.sort_unstable_by_key(|(at, _)| *at);
    let mut heard = heard.into_iter().map(|(at, said)| (&plan.sites[at].url, said));
    let Some((first, of_first)) = heard.next() else {
        return Ok(());
    };
    for (other, of_other) in heard {
        ensure!(
            of_other.keys == of_first.keys,
            "{other} signs with other keys than {first}, so they are not one line: \
             hand the first one's over (tidegate keys share, tidegate keys adopt) and restart the other"
        );
        ensure!(
            of_other.room == of_first.room,
            "{other} guards {} with {}, {first} with {}: choose a --path that one room guards on all",
            plan.path,
            named(of_other.room.as_deref()),
            named(of_first.room.as_deref()),
        );
    }
    Ok(())
}

fn named(room: Option<&str>) -> String {
    room.map_or_else(|| "no room".to_owned(), |room| format!("room {room}"))
}

async fn said_by(site: &Site, page: &str, prefix: &str) -> anyhow::Result<Said> {
    let url = &site.url;
    let target = Target::new(site.addr, &site.authority, 1).with_context(|| url.clone())?;
    let mut client = Client::new(0);
    let keys = ask(&mut client, &target, url, &format!("{prefix}jwks.json")).await?;
    let Some(keys) = keys.status.is_success().then(|| key_ids(&keys.body)).flatten() else {
        bail!("{url} has no keys at {prefix}jwks.json: give the address of an edge, and its --prefix");
    };
    let guarded = ask(&mut client, &target, url, page).await?;
    Ok(Said {
        keys,
        room: room_to_join(&guarded.body, prefix),
    })
}

/// Asks as a program does: it is told where to join, and takes no place.
async fn ask(client: &mut Client, target: &Target, url: &str, path: &str) -> anyhow::Result<Answer> {
    let headers = [(ACCEPT, HeaderValue::from_static("application/json"))];
    let no_cookies = Jar::default();
    let asking = client.send(target, &no_cookies, Method::GET, path, &headers, Bytes::new());
    match asking.await {
        Ok(answer) => Ok(answer),
        Err(failure) => bail!(
            "{url} does not answer ({}): start it, or leave it out",
            failure.kind
        ),
    }
}

fn key_ids(jwks: &[u8]) -> Option<BTreeSet<String>> {
    let document: Value = serde_json::from_slice(jwks).ok()?;
    let keys = document["keys"].as_array()?;
    keys.iter()
        .map(|key| Some(key["kid"].as_str()?.to_owned()))
        .collect()
}

/// The room that a problem document says to join.
fn room_to_join(problem: &[u8], prefix: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(problem).ok()?;
    let rest = document["join"].as_str()?.strip_prefix(prefix)?;
    let room = rest.strip_prefix("rooms/")?.strip_suffix("/places")?;
    Some(room.to_owned())
}

/// Host and port of an http URL: as written, and apart.
pub(super) fn http_authority(url: &str) -> anyhow::Result<(String, String, u16)> {
    let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
    ensure!(
        uri.scheme_str() == Some("http"),
        "{url}: begins with http:// (a rehearsal does not speak TLS)"
    );
    let authority = uri.authority().with_context(|| format!("{url} names no host"))?;
    ensure!(
        matches!(uri.path(), "" | "/"),
        "{url}: only scheme, host and port; the page is given by --path"
    );
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok((authority.to_string(), host, authority.port_u16().unwrap_or(80)))
}

async fn lookup(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    // IPv4 first: only there a local crowd can come from many addresses.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().context("the host has no address")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_and_nothing_else() {
        assert_eq!(http_authority("http://[::1]:80").unwrap().1, "::1");
        assert_eq!(http_authority("http://shop.test").unwrap().2, 80);
        for wrong in ["https://shop.test", "shop.test", "http://shop.test/tickets", ""] {
            assert!(http_authority(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_and_rooms_are_read_from_what_edges_say() {
        let keys = key_ids(br#"{"keys":[{"kid":"b"},{"kid":"a"}]}"#).unwrap();
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(key_ids(b"<html>"), None);
        let join = br#"{"status":503,"join":"/_tidegate/rooms/drop/places"}"#;
        assert_eq!(room_to_join(join, "/_tidegate/").as_deref(), Some("drop"));
        assert_eq!(room_to_join(b"the site", "/_tidegate/"), None);
    }
}
