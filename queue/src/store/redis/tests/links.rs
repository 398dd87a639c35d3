//! Connections that break, and what is said meanwhile.

use std::time::{Duration, Instant};

use redis::Value;

use super::server::Server;
use super::{link, store, within};
use crate::store::redis::error::{ConnectError, LinkError};
use crate::store::redis::link::{Link, Script};

const COUNT: &str = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

async fn count(link: &Link) -> Result<Value, LinkError> {
    link.run(&Script::new(COUNT), b"count", &[b"2"]).await
}

async fn set(link: &Link, name: &str, value: &str) {
    let command = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).to_owned();
    link.query::<()>(&command).await.expect("it is set");
}

#[tokio::test]
async fn a_script_is_run_again_where_the_server_forgot_it() {
    let server = Server::start(&[]);
    let link = link(&server.url()).await;
    assert_eq!(count(&link).await, Ok(Value::Int(2)));
    assert_eq!(count(&link).await, Ok(Value::Int(4)));
    let flush = redis::cmd("SCRIPT").arg("FLUSH").to_owned();
    link.query::<()>(&flush).await.expect("it forgets");
    assert_eq!(count(&link).await, Ok(Value::Int(6)), "run once, not twice");
    let stats: String = link
        .query(redis::cmd("INFO").arg("commandstats"))
        .await
        .expect("figures");
    let calls = |name: &str| {
        stats
            .lines()
            .find_map(|line| {
                line.strip_prefix(&format!("cmdstat_{name}:calls="))?
                    .split(',')
                    .next()
            })
            .map(str::to_owned)
    };
    assert_eq!(
        calls("eval").as_deref(),
        Some("2"),
        "the text goes over only when it is missing: {stats}"
    );
}

#[tokio::test]
async fn a_script_s_own_error_is_no_trouble_of_the_link() {
    let server = Server::start(&[]);
    let link = link(&server.url()).await;
    let run = |text: &'static str| {
        let link = &link;
        async move {
            link.run(&Script::new(text), b"k", &[])
                .await
                .expect_err("it fails")
        }
    };
    assert!(matches!(
        run("return redis.error_reply('STALE seq 3')").await,
        LinkError::Script { code, text } if code == "STALE" && text == "seq 3"
    ));
    assert!(matches!(run("return nil + 1").await, LinkError::Script { code, .. } if code == "ERR"));
    let in_the_way = run("redis.call('SET', KEYS[1], '') return redis.call('LPUSH', KEYS[1], '')").await;
    assert!(matches!(&in_the_way, LinkError::Script { code, .. } if code == "WRONGTYPE"));
    assert!(
        in_the_way.to_string().contains("SCAN 0 MATCH tidegate:*"),
        "{in_the_way}"
    );
    assert_eq!(count(&link).await, Ok(Value::Int(2)));
}

#[tokio::test]
async fn after_a_restart_the_next_calls_go_through_within_two_seconds() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let link = link(&server.url()).await;
    assert_eq!(count(&link).await, Ok(Value::Int(2)));
    server.kill();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        let error = count(&link).await.expect_err("nobody is there");
        assert!(matches!(error, LinkError::Unreachable(_)), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.restart();
    let counted = within("an answer", Duration::from_secs(2), || async {
        count(&link).await.ok()
    })
    .await;
    assert_eq!(counted, Value::Int(4), "nothing was sent twice or late");
}

#[tokio::test]
async fn a_late_answer_costs_no_connection_and_a_long_silence_does() {
    let server = Server::start(&[]);
    let link = link(&server.url()).await;
    let id = || async { link.query::<u64>(redis::cmd("CLIENT").arg("ID")).await };
    let first = id().await.expect("an id");
    server.freeze(true);
    let error = id().await.expect_err("no answer");
    assert_eq!(error, LinkError::Unreachable("no answer in time".to_owned()));
    server.freeze(false);
    let second = within("an answer", Duration::from_secs(2), || async { id().await.ok() }).await;
    assert_eq!(second, first, "the same connection");

    server.freeze(true);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        id().await.expect_err("no answer");
    }
    server.freeze(false);
    let third = within("an answer", Duration::from_secs(3), || async { id().await.ok() }).await;
    assert!(
        third > first,
        "a connection over which nothing came was made again"
    );
}

#[tokio::test]
async fn many_who_find_it_broken_make_one_connection() {
    let mut server = Server::start(&[]);
    let link = link(&server.url()).await;
    server.kill();
    count(&link).await.expect_err("it broke");
    server.restart();
    tokio::time::sleep(Duration::from_millis(60)).await;
    let answers = tokio::join!(count(&link), count(&link), count(&link), count(&link));
    assert!(
        answers.0.is_ok() && answers.1.is_ok() && answers.2.is_ok() && answers.3.is_ok(),
        "{answers:?}"
    );
    let stats: String = link
        .query(redis::cmd("INFO").arg("stats"))
        .await
        .expect("figures");
    let received = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"))
        .and_then(|number| number.trim().parse::<u32>().ok());
    // One is the test's own look whether the server listens.
    assert_eq!(received, Some(2), "{stats}");
}

#[tokio::test]
async fn what_is_not_there_is_said_without_the_password() {
    let url = format!("redis://:hunter2@127.0.0.1:{}", super::server::free_port());
    let error = Link::connect(&store(&url)).await.err().expect("nobody listens");
    let said = format!("{error} {error:?}");
    assert!(
        matches!(
            error,
            ConnectError::Link {
                source: LinkError::Unreachable(_),
                ..
            }
        ),
        "{said}"
    );
    assert!(
        said.contains("refused") && said.contains("redis://:...@") && !said.contains("hunter2"),
        "{said}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_said_with_its_remedy() {
    let server = Server::start(&["--requirepass", "sesame"]);
    let host = format!("127.0.0.1:{}", server.port);
    for login in ["", ":hunter2@", "nobody:sesame@"] {
        let refused = match Link::connect(&store(&format!("redis://{login}{host}"))).await {
            // Without a login the connection is made, and the first command is refused.
            Ok(link) => count(&link).await.expect_err("it wants a password"),
            Err(ConnectError::Link { source, .. }) => source,
            Err(other) => panic!("{other}"),
        };
        assert!(
            matches!(&refused, LinkError::Refused(why) if why.contains("store.url")),
            "{login}: {refused}"
        );
        assert!(!refused.to_string().contains("hunter2"));
    }
    let link = link(&format!("redis://:sesame@{host}")).await;
    assert_eq!(count(&link).await, Ok(Value::Int(2)));
}

#[tokio::test]
async fn another_database_is_another_line() {
    let server = Server::start(&[]);
    let (zero, three) = (
        link(&server.url()).await,
        link(&format!("{}/3", server.url())).await,
    );
    assert_eq!(count(&three).await, Ok(Value::Int(2)));
    assert_eq!(count(&zero).await, Ok(Value::Int(2)));
    let Err(error) = Link::connect(&store(&format!("{}/99", server.url()))).await else {
        panic!("there are 16");
    };
    assert!(error.to_string().contains("database"), "{error}");
}

#[tokio::test]
async fn full_memory_is_refused_and_over_when_there_is_room() {
    let server = Server::start(&[]);
    let link = link(&server.url()).await;
    set(&link, "maxmemory", "1").await;
    let full = count(&link).await.expect_err("it is full");
    assert!(
        matches!(&full, LinkError::Refused(why) if why.contains("raise maxmemory")),
        "{full}"
    );
    set(&link, "maxmemory", "0").await;
    assert_eq!(count(&link).await, Ok(Value::Int(2)));
}
