//! Edges agree on their keys, or do not start.

use super::link;
use super::server::Server;
use crate::store::redis::common_keys::agree_on_keys;
use crate::store::redis::error::ConnectError;

fn ring(kids: &[&str]) -> Vec<String> {
    kids.iter().map(|kid| (*kid).to_owned()).collect()
}

#[tokio::test]
async fn one_shared_key_is_enough_and_none_is_refused() {
    let server = Server::start(&[]);
    let link = link(&server.url()).await;
    let agree = async |kids: &[&str]| agree_on_keys(&link, b"keys", &ring(kids)).await;
    agree(&["a"]).await.expect("the first edge decides");
    agree(&["a"]).await.expect("an edge that restarts");
    agree(&["b", "a"]).await.expect("a rotated ring");
    agree(&["c", "b"]).await.expect("the newer key is known now");
    let error = agree(&["x", "y"]).await.expect_err("another ring");
    assert!(matches!(error, ConnectError::OtherKeys { .. }), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("(x, y)") && said.contains("keys share") && said.contains("keys adopt"),
        "{said}"
    );
    let known: Vec<String> = link
        .query(redis::cmd("SMEMBERS").arg("keys"))
        .await
        .expect("a set");
    assert_eq!(known.len(), 3, "a refused edge leaves nothing: {known:?}");
}

#[tokio::test]
async fn of_two_that_start_at_once_one_is_let_in() {
    let server = Server::start(&[]);
    let (one, two) = (link(&server.url()).await, link(&server.url()).await);
    for round in 0..50 {
        let key = format!("keys:{round}");
        let (rings, key) = ((ring(&["a"]), ring(&["b"])), key.as_bytes());
        let (first, second) = tokio::join!(
            agree_on_keys(&one, key, &rings.0),
            agree_on_keys(&two, key, &rings.1)
        );
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    }
}
