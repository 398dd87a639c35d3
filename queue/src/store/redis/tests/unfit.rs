//! Servers that cannot hold a line, each told apart with its remedy.

use super::server::Server;
use super::{link, store};
use crate::store::redis::error::ConnectError;
use crate::store::redis::examine::{Severity, examine, require_fit};

const TRIAL: &[u8] = b"tidegate:{trial}";

/// What is found, one line each.
async fn found(url: &str) -> Vec<String> {
    let found = examine(&link(url).await, &store(url), TRIAL).await;
    let found = found.unwrap_or_else(|error| panic!("{url}: {error}"));
    found
        .iter()
        .map(|found| {
            let mark = match found.severity {
                Severity::Refusal => "refused",
                Severity::Warning => "warned",
            };
            let line = format!("{mark}: {found}");
            assert!(!line.contains('\n'), "{line}");
            line
        })
        .collect()
}

async fn command(url: &str, words: &[&str]) {
    let (name, args) = words.split_first().expect("a command");
    let command = redis::cmd(name).arg(args).to_owned();
    link(url)
        .await
        .query::<redis::Value>(&command)
        .await
        .expect("it is done");
}

#[tokio::test]
async fn a_plain_server_is_fit_and_left_as_it_was() {
    let server = Server::start(&[]);
    assert_eq!(found(&server.url()).await, [""; 0]);
    let size: u64 = link(&server.url())
        .await
        .query(&redis::cmd("DBSIZE"))
        .await
        .expect("a number");
    assert_eq!(size, 0, "the trial leaves nothing");
}

#[tokio::test]
async fn a_user_without_the_rights_is_told_which() {
    let server = Server::start(&[]);
    let url = server.url();
    command(
        &url,
        &[
            "ACL",
            "SETUSER",
            "edge",
            "on",
            ">pw",
            "~tidegate:*",
            "+@all",
            "-evalsha",
            "-config",
        ],
    )
    .await;
    let edge = url.replace("redis://", "redis://edge:pw@");
    let said = found(&edge).await;
    assert!(
        said.len() == 1 && said[0].contains("evalsha") && said[0].contains("ACL SETUSER"),
        "{said:?}"
    );
    command(&url, &["ACL", "SETUSER", "edge", "+evalsha", "-set"]).await;
    let said = found(&edge).await;
    assert!(
        said.len() == 1 && said[0].contains("script") && said[0].contains("ACL SETUSER"),
        "what a script may not do counts too: {said:?}"
    );
    command(&url, &["ACL", "SETUSER", "edge", "+set", "-info"]).await;
    let said = found(&edge).await;
    assert!(said.len() == 1 && said[0].contains("'info'"), "{said:?}");
    command(
        &url,
        &["ACL", "SETUSER", "edge", "+info", "resetkeys", "~other:*"],
    )
    .await;
    let said = found(&edge).await;
    assert!(
        said.len() == 1 && said[0].contains("key") && said[0].contains("ACL SETUSER"),
        "{said:?}"
    );
    command(&url, &["ACL", "SETUSER", "edge", "~tidegate:*"]).await;
    assert_eq!(found(&edge).await, [""; 0], "CONFIG is not needed");
}

#[tokio::test]
async fn a_replica_is_refused_and_its_primary_warned_about() {
    let primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let said = found(&replica.url()).await;
    assert!(
        said.len() == 1 && said[0].contains(&format!("replica of 127.0.0.1:{}", primary.port)),
        "{said:?}"
    );
    let replicas = || async {
        let role: Result<(String, u64, Vec<redis::Value>), _> =
            link(&primary.url()).await.query(&redis::cmd("ROLE")).await;
        role.ok().filter(|(.., replicas)| !replicas.is_empty())
    };
    super::within("a replica", std::time::Duration::from_secs(10), replicas).await;
    let said = found(&primary.url()).await;
    assert!(
        said.len() == 1 && said[0].starts_with("warned: min-replicas-to-write is 0"),
        "{said:?}"
    );
    command(
        &primary.url(),
        &[
            "CONFIG",
            "SET",
            "min-replicas-to-write",
            "1",
            "min-replicas-max-lag",
            "30",
        ],
    )
    .await;
    // The replica counts as a good one with its next word, once a second.
    let said = super::within("a good replica", std::time::Duration::from_secs(5), || async {
        let said = found(&primary.url()).await;
        said.iter().all(|line| line.starts_with("warned")).then_some(said)
    })
    .await;
    assert!(
        said.len() == 1 && said[0].contains("min-replicas-max-lag is 30 s"),
        "{said:?}"
    );
    command(&primary.url(), &["CONFIG", "SET", "min-replicas-max-lag", "10"]).await;
    assert_eq!(found(&primary.url()).await, [""; 0]);
}

#[tokio::test]
async fn what_would_lose_places_is_refused_in_one_go() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let said = found(&server.url()).await;
    assert!(
        said.len() == 1 && said[0].starts_with("refused: maxmemory-policy is allkeys-lru"),
        "{said:?}"
    );
    let error = require_fit(&link(&server.url()).await, &store(&server.url()), TRIAL, &[]).await;
    let error = error.expect_err("it is unfit");
    assert!(
        matches!(&error, ConnectError::Unfit { reasons, .. } if reasons.len() == 1)
            && error.to_string().contains("noeviction"),
        "{error}"
    );
    command(
        &server.url(),
        &[
            "CONFIG",
            "SET",
            "maxmemory-policy",
            "noeviction",
            "maxmemory",
            "1",
        ],
    )
    .await;
    let said = found(&server.url()).await;
    assert!(said.len() == 1 && said[0].contains("raise maxmemory"), "{said:?}");
    command(&server.url(), &["CONFIG", "SET", "maxmemory", "0"]).await;
    require_fit(&link(&server.url()).await, &store(&server.url()), TRIAL, &[])
        .await
        .expect("it is fit now");
}

#[tokio::test]
async fn a_server_that_wants_a_login_says_so() {
    let server = Server::start(&["--requirepass", "sesame"]);
    let said = found(&server.url()).await;
    assert!(
        said.len() == 1 && said[0].contains("NOAUTH") && said[0].contains("store.url"),
        "{said:?}"
    );
}

#[tokio::test]
async fn somebody_else_s_keys_are_named_and_left_alone() {
    let server = Server::start(&[]);
    let rooms = ["drop".parse().expect("an id")];
    let fit = async || {
        let link = link(&server.url()).await;
        require_fit(&link, &store(&server.url()), TRIAL, &rooms).await
    };
    fit().await.expect("an empty server");
    for (set, key, kind) in [
        (
            &["RPUSH", "tidegate:{drop}:line", "x"][..],
            "tidegate:{drop}:line",
            "list",
        ),
        (
            &["SET", "tidegate:{drop}:visits", "x"],
            "tidegate:{drop}:visits",
            "string",
        ),
        (&["SET", "tidegate:keys", "x"], "tidegate:keys", "string"),
    ] {
        command(&server.url(), set).await;
        let said = fit().await.expect_err("it is in the way").to_string();
        assert!(
            said.contains(&format!("{key} is somebody else's: it is a {kind}")) && said.contains("store.url"),
            "{said}"
        );
        command(&server.url(), &["DEL", key]).await;
    }
    command(&server.url(), &["SET", "tidegate:{other}:visits", "x"]).await;
    fit().await.expect("another room's are not looked at");
}
