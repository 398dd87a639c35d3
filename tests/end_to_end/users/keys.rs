//! The keys of users: read in the background, believed while they cannot be read, and followed when they change.

use std::time::{Duration, Instant};

use super::{KeyServer, SOON, Signer, browser, edge, knowing, program, until_opened};
use crate::support::{Origin, Sent, eventually, free_port, listen_on, send};

#[test]
fn known_keys_outlive_the_service_that_has_them_and_new_ones_are_followed() {
    let (origin, old, new) = (Origin::start(), Signer::new("u1"), Signer::new("u2"));
    let (tidegate, keys) = knowing(&origin, &old);
    assert_eq!(tidegate.metric("tidegate_user_keys_up"), 1);
    let port = keys.port;
    drop(keys);
    // What asks for a key that is not known makes the edge ask, and so find out that nobody is there.
    eventually("the service is known to be gone", SOON, || {
        assert_eq!(program(&tidegate, "/mine/1", &new.user("bob")).status, 401);
        (tidegate.metric("tidegate_user_keys_up") == 0).then_some(())
    });
    for round in 0..20 {
        let fresh = old.user(&format!("fan-{round}"));
        assert_eq!(program(&tidegate, "/mine/1", &fresh).status, 200);
        assert_eq!(browser(&tidegate, "/mine/1", &fresh).status, 200);
    }

    let keys = KeyServer::start(port, &old);
    keys.publish(&new);
    let seen_before = old.user("fan-0");
    assert_eq!(program(&tidegate, "/mine/1", &seen_before).status, 200);
    until_opened(&tidegate, &new.user("bob"));
    assert_eq!(
        program(&tidegate, "/mine/1", &seen_before).status,
        401,
        "a key that was taken back opens nothing, also to whom it had opened"
    );
}

#[test]
fn without_keys_nobody_is_judged_and_nobody_waits() {
    let (origin, signer) = (Origin::start(), Signer::new("u1"));
    // It takes connections and never says anything.
    let silent = listen_on(free_port());
    let port = silent.local_addr().expect("its address").port();
    let tidegate = edge(&origin, port);
    let token = signer.user("ann");
    for _ in 0..5 {
        let asked_at = Instant::now();
        let answer = program(&tidegate, "/mine/1", &token);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.json()["type"], "urn:tidegate:problem:users-unknown");
        assert!(answer.header("retry-after").is_some());
        // Reading the keys is given up after two seconds.
        assert!(
            asked_at.elapsed() < Duration::from_millis(1_500),
            "it waited for keys"
        );
    }
    assert_eq!(browser(&tidegate, "/mine/1", &token).status, 503);
    assert_eq!(
        send(&tidegate.site, &Sent::page("/mine/1")).status,
        303,
        "who brings no token has to log in, whatever the keys"
    );
    assert_eq!(send(&tidegate.site, &Sent::page("/open/1")).status, 200);
    drop(silent);
    let _keys = KeyServer::start(port, &signer);
    until_opened(&tidegate, &token);
}
