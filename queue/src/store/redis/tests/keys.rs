//! Edges agree on their keys, or do not start.

use super::server::Server;
use super::{link, store};
use crate::line::{Known, Place, Request, Settings};
use crate::store::LineStore;
use crate::store::redis::Redis;
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

#[tokio::test]
async fn who_runs_is_found_again_in_a_store_that_was_emptied() {
    let server = Server::start(&[]);
    let redis = async |kids: &[&str]| {
        let rooms = ["drop".parse().expect("an id")];
        Redis::connect(&store(&server.url()), &ring(kids), 7, &rooms).await
    };
    let runs = redis(&["a"]).await.expect("the first edge decides");
    let line = runs.line(&"drop".parse().expect("an id"), Settings::for_tests());
    let tick = async |seq, known| {
        let request = Request {
            boot: 1,
            seq,
            known,
            ..Request::default()
        };
        line.tick(&request).await.expect("a tick")
    };
    let before = tick(1, None).await;
    let known = Known::of(&before, Place::START, Settings::for_tests().into());
    let () = link(&server.url())
        .await
        .query(&redis::cmd("FLUSHALL"))
        .await
        .expect("emptied");
    assert!(tick(2, Some(known)).await.epoch > before.epoch);
    assert!(matches!(redis(&["x"]).await, Err(ConnectError::OtherKeys { .. })));
    redis(&["a"]).await.expect("its own keys are there");
}
