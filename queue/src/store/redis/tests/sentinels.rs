//! A primary that sentinels watch, lost and replaced.

use std::time::Duration;

use redis::Value;

use super::server::{Server, free_port};
use super::{store, within};
use crate::store::redis::error::LinkError;
use crate::store::redis::link::{Link, Script};

fn sentinel(primary: u16, password: Option<&str>) -> Server {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let file = folder.path().join("sentinel.conf");
    let login = password.map_or(String::new(), |password| format!("requirepass {password}\n"));
    let text = format!(
        "port {port}\n{login}sentinel monitor drop 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds drop 500\nsentinel failover-timeout drop 3000\n"
    );
    std::fs::write(&file, text).expect("a file");
    let args = vec![file.display().to_string(), "--sentinel".to_owned()];
    Server::launch(folder, port, args)
}

const COUNT: &str = "return redis.call('INCR', KEYS[1])";

async fn count(link: &Link) -> Result<Value, LinkError> {
    link.run(&Script::new(COUNT), b"count", &[]).await
}

#[tokio::test]
async fn a_replica_that_takes_over_is_found() {
    let mut primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = primary.port.to_string();
    let replica = Server::start(&[
        "--replicaof",
        "127.0.0.1",
        &port,
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let sentinels: Vec<Server> = (0..3).map(|_| sentinel(primary.port, None)).collect();
    let hosts: Vec<String> = sentinels
        .iter()
        .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
        .collect();
    // The first is dead, and the others are asked.
    let url = format!(
        "redis-sentinel://127.0.0.1:{},{}/drop",
        free_port(),
        hosts.join(",")
    );
    let link = Link::connect(&store(&url))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(count(&link).await, Ok(Value::Int(1)));
    let copied = super::link(&replica.url()).await;
    let count_there = || async {
        copied
            .query::<Option<u64>>(redis::cmd("GET").arg("count"))
            .await
            .ok()
            .flatten()
    };
    assert_eq!(within("a copy", Duration::from_secs(10), count_there).await, 1);
    // The sentinels must have found each other and the replica before they can agree on it.
    let asked = super::link(&format!("redis://{}", hosts[0])).await;
    within(
        "sentinels that know each other",
        Duration::from_secs(20),
        || async {
            let command = redis::cmd("SENTINEL").arg("MASTER").arg("drop").to_owned();
            let fields: Vec<String> = asked.query(&command).await.ok()?;
            let is =
                |name: &str, value: &str| fields.windows(2).any(|pair| pair[0] == name && pair[1] == value);
            (is("num-slaves", "1") && is("num-other-sentinels", "2")).then_some(())
        },
    )
    .await;
    primary.kill();
    let counted = within("the new primary", Duration::from_secs(20), || async {
        count(&link).await.ok()
    })
    .await;
    assert_eq!(counted, Value::Int(2), "it goes on from the copy");
}

#[tokio::test]
async fn a_primary_that_steps_down_is_left() {
    let primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = primary.port.to_string();
    let other = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = sentinel(primary.port, Some("sesame"));
    let url = format!("redis-sentinel://:sesame@127.0.0.1:{}/drop", sentinel.port);
    // The sentinel wants the password, and the servers take it once they have it.
    for server in [&primary, &other] {
        let server = super::link(&server.url()).await;
        for name in ["requirepass", "masterauth"] {
            let command = redis::cmd("CONFIG").arg("SET").arg(name).arg("sesame").to_owned();
            server.query::<()>(&command).await.expect("it is set");
        }
    }
    let link = Link::connect(&store(&url))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(count(&link).await, Ok(Value::Int(1)));
    let at = |port: u16| format!("redis://:sesame@127.0.0.1:{port}");
    let role = |port: u16, host: &'static str, of: String| async move {
        let command = redis::cmd("REPLICAOF").arg(host).arg(of).to_owned();
        super::link(&at(port))
            .await
            .query::<()>(&command)
            .await
            .expect("it changes");
    };
    role(other.port, "NO", "ONE".to_owned()).await;
    role(primary.port, "127.0.0.1", other.port.to_string()).await;
    let refused = within("a refusal", Duration::from_secs(5), || async {
        count(&link).await.err()
    })
    .await;
    let said = refused.to_string();
    assert!(said.contains("READONLY") || said.contains("reach"), "{said}");
    let asked = super::link(&at(sentinel.port)).await;
    for words in [
        vec!["REMOVE", "drop"],
        vec!["MONITOR", "drop", "127.0.0.1", &other.port.to_string(), "1"],
    ] {
        let command = redis::cmd("SENTINEL").arg(&words).to_owned();
        asked.query::<()>(&command).await.expect("it is told");
    }
    within("the other", Duration::from_secs(5), || async {
        count(&link).await.ok()
    })
    .await;
}

#[tokio::test]
async fn an_unknown_name_is_said() {
    let primary = Server::start(&[]);
    let sentinel = sentinel(primary.port, None);
    let url = format!("redis-sentinel://127.0.0.1:{}/dorp", sentinel.port);
    let error = Link::connect(&store(&url))
        .await
        .err()
        .expect("there is no such name");
    assert!(error.to_string().contains("sentinel monitor"), "{error}");
}
