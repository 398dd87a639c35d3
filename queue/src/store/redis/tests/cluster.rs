//! A cluster, and what is taken for one.

use std::time::Duration;

use redis::Value;

use super::server::Server;
use super::{link, store, within};
use crate::store::redis::error::LinkError;
use crate::store::redis::examine::examine;
use crate::store::redis::link::{Link, Script};

const COUNT: &str = "return redis.call('INCR', KEYS[1])";

async fn count(link: &Link, key: &str) -> Result<Value, LinkError> {
    link.run(&Script::new(COUNT), key.as_bytes(), &[]).await
}

fn node() -> Server {
    Server::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"])
}

async fn tell(server: &Server, words: &[&str]) {
    let command = redis::cmd("CLUSTER").arg(words).to_owned();
    link(&server.url())
        .await
        .query::<Value>(&command)
        .await
        .expect("it is told");
}

#[tokio::test]
async fn keys_are_found_on_every_node_also_after_a_slot_moved() {
    let (one, two) = (node(), node());
    tell(&one, &["ADDSLOTSRANGE", "0", "8191"]).await;
    tell(&two, &["ADDSLOTSRANGE", "8192", "16383"]).await;
    tell(&one, &["MEET", "127.0.0.1", &two.port.to_string()]).await;
    let url = format!("redis-cluster://127.0.0.1:{}", one.port);
    let link = within("a cluster", Duration::from_secs(20), || async {
        let link = Link::connect(&store(&url)).await.ok()?;
        (count(&link, "foo").await.is_ok() && count(&link, "bar").await.is_ok()).then_some(link)
    })
    .await;
    // foo is in slot 12182, bar in 5061.
    let there = super::link(&two.url()).await;
    assert!(there.query::<u64>(redis::cmd("GET").arg("foo")).await.is_ok());
    assert!(
        examine(&link, &store(&url), b"{foo-trial}")
            .await
            .expect("findings")
            .is_empty()
    );

    // The slot of `bar` has no key left and moves; the node that had it answers MOVED.
    link.query::<()>(redis::cmd("DEL").arg("bar"))
        .await
        .expect("it is gone");
    let id: String = there
        .query(redis::cmd("CLUSTER").arg("MYID"))
        .await
        .expect("an id");
    for server in [&two, &one] {
        tell(server, &["SETSLOT", "5061", "NODE", &id]).await;
    }
    assert_eq!(
        count(&link, "bar").await,
        Ok(Value::Int(1)),
        "a slot that moved is followed at once"
    );

    let plain = super::link(&one.url()).await;
    let said = examine(&plain, &store(&one.url()), b"trial")
        .await
        .expect("findings");
    assert!(
        said.len() == 1 && said[0].to_string().contains("redis-cluster"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_slot_that_nobody_serves_is_said() {
    let node = node();
    tell(&node, &["ADDSLOTSRANGE", "0", "16000"]).await;
    let url = format!("redis-cluster://127.0.0.1:{}", node.port);
    let link = Link::connect(&store(&url))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let said = examine(&link, &store(&url), b"trial").await.expect("findings");
    assert!(
        said.len() == 1
            && said[0].to_string().contains("CLUSTERDOWN")
            && said[0].to_string().contains("CLUSTER INFO"),
        "{said:?}"
    );
}

#[tokio::test]
async fn one_server_is_no_cluster() {
    let server = Server::start(&[]);
    let url = server.url().replace("redis:", "redis-cluster:");
    let error = Link::connect(&store(&url)).await.err().expect("it is none");
    assert!(
        error.to_string().contains("redis instead of redis-cluster"),
        "{error}"
    );
}
