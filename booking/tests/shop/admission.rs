//! Who may write when admission is required: assertions signed by a stand-in for the edge, real and forged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Answer, Running, config};

/// Key pairs of RFC 8032, section 7.1, tests 1 and 2: secret, public.
const EDGE: (&str, &str) = (
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
);
const STRANGER: (&str, &str) = (
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
);

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn key(pair: (&str, &str)) -> EncodingKey {
    // PKCS#8 (RFC 8410) before the 32 bytes of the secret.
    let mut der = bytes("302e020100300506032b657004220420");
    der.extend(bytes(pair.0));
    EncodingKey::from_ed_der(&der)
}

fn header() -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("tidegate-assertion+jwt".into());
    header.kid = Some("k1".into());
    header
}

fn claims(visitor: &str, ends_in_s: i64) -> Value {
    let exp = jiff::Timestamp::now().as_second() + ends_in_s;
    json!({"room": "drop", "round": 1, "epoch": 1, "number": 7, "visitor": visitor, "visit": "v7", "exp": exp})
}

fn sign(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

/// The edge's key document, counting how often it is read.
async fn edge(kid: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let x = URL_SAFE_NO_PAD.encode(bytes(EDGE.1));
    let keys = json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "other", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x},
    ]});
    let routes = Router::new().route(
        "/jwks.json",
        get(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { axum::Json(keys) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, reads)
}

async fn behind(address: SocketAddr) -> Running {
    let mut config = config();
    config.require_admission = true;
    config.jwks_url = Some(format!("http://{address}/jwks.json"));
    Running::with(&config).await
}

async fn hold(running: &Running, seat: &str, assertion: &str) -> Answer {
    running
        .hold(7, &[seat], &[("tidegate-assertion", assertion)])
        .await
}

#[tokio::test]
async fn who_was_admitted_and_has_logged_in_holds() {
    let (address, reads) = edge("k1").await;
    let running = behind(address).await;
    let admitted = sign(&header(), &claims("ann", 300), &key(EDGE));
    let (ann, bob) = (running.fan().await, running.fan().await);
    let hold = async |who: &str| {
        let headers = [("tidegate-assertion", admitted.as_str()), ("cookie", who)];
        running.hold(7, &["A-1"], &headers).await
    };
    assert_eq!(hold(&ann).await.status, 201);
    hold(&bob).await.is_problem(409, "seats-taken");
    assert_eq!(hold(&ann).await.status, 201, "asking again for one's own");
    hold("").await.is_problem(401, "login-needed");
    let mine = running
        .send(Method::GET, "/showtimes/7/holds/me", &[("cookie", &ann)], "")
        .await;
    assert_eq!(mine.json()["holds"][0]["seats"][0], "A-1");
    let path = mine.json()["holds"][0]["url"].as_str().unwrap().to_owned();
    for (who, status) in [(&bob, 404), (&ann, 200)] {
        let headers = [("tidegate-assertion", admitted.as_str()), ("cookie", who)];
        let released = running.send(Method::DELETE, &path, &headers, "").await;
        assert_eq!(released.status, status);
    }
    assert_eq!(
        reads.load(Ordering::SeqCst),
        1,
        "one reading of the keys serves all"
    );
}

#[tokio::test]
async fn forged_expired_and_foreign_assertions_are_refused_and_reading_is_free() {
    let (address, _) = edge("k1").await;
    let running = behind(address).await;
    let good = sign(&header(), &claims("ann", 300), &key(EDGE));
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = header();
        change(&mut header);
        sign(&header, &claims("ann", 300), &key(EDGE))
    };
    let hs256 = {
        let mut header = Header::new(Algorithm::HS256);
        (header.typ, header.kid) = (Some("tidegate-assertion+jwt".into()), Some("k1".into()));
        sign(
            &header,
            &claims("ann", 300),
            &EncodingKey::from_secret(&bytes(EDGE.1)),
        )
    };
    let none = {
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"tidegate-assertion+jwt","kid":"k1"}"#);
        format!("{head}.{}.", good.split('.').nth(1).unwrap())
    };
    let swapped = {
        let parts: Vec<&str> = good.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(claims("bob", 300).to_string());
        format!("{}.{other}.{}", parts[0], parts[2])
    };
    let mut endless = claims("ann", 300);
    endless.as_object_mut().unwrap().remove("exp");
    for (what, forged) in [
        (
            "another's key",
            sign(&header(), &claims("ann", 300), &key(STRANGER)),
        ),
        ("ended", sign(&header(), &claims("ann", -60), &key(EDGE))),
        ("without an end", sign(&header(), &endless, &key(EDGE))),
        (
            "a visit token",
            with(&|header| header.typ = Some("tidegate-visit+jwt".into())),
        ),
        ("no type", with(&|header| header.typ = None)),
        ("no key name", with(&|header| header.kid = None)),
        (
            "an unknown key name",
            with(&|header| header.kid = Some("k2".into())),
        ),
        ("HS256 with the public key", hs256),
        ("no signature", none),
        ("other claims", swapped),
        ("nobody", sign(&header(), &claims("", 300), &key(EDGE))),
        ("no token", "x".into()),
        ("far too long", "x".repeat(5000)),
    ] {
        let answer = hold(&running, "A-1", &forged).await;
        let problem = answer.is_problem(403, "not-admitted");
        assert!(
            problem["detail"].as_str().unwrap().contains("waiting room"),
            "{what}"
        );
    }
    running
        .hold(7, &["A-1"], &[])
        .await
        .is_problem(403, "not-admitted");
    running
        .send(Method::DELETE, "/showtimes/7/holds/me", &[], "")
        .await
        .is_problem(403, "not-admitted");
    for path in [
        "/",
        "/events",
        "/events/1",
        "/showtimes/7",
        "/showtimes/7/seats",
        "/health",
    ] {
        let answer = running
            .send(Method::GET, path, &[("tidegate-assertion", "rubbish")], "")
            .await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let free = running.get("/showtimes/7/seats").await.json();
    assert_eq!(free["stock"]["held"], 0);
    assert_eq!(
        hold(&running, "A-1", &good).await.status,
        201,
        "and the real one still works"
    );
}

#[tokio::test]
async fn a_hold_that_is_over_is_told_so_and_not_sent_to_the_waiting_room() {
    let (address, _) = edge("k1").await;
    let running = behind(address).await;
    let fan = running.fan().await;
    let headers = [("content-type", "application/json"), ("cookie", fan.as_str())];
    // The call is free of the room, so no assertion comes with it.
    let body = json!({"hold": "0".repeat(32), "email": "ann@example.com"}).to_string();
    let answer = running.send(Method::POST, "/book", &headers, &body).await;
    let problem = answer.is_problem(404, "no-hold");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("Choose the seats again")
    );
}

#[tokio::test]
async fn unknown_key_names_do_not_make_booking_ask_again_and_again() {
    let (address, reads) = edge("k1").await;
    let running = behind(address).await;
    let mut unknown = header();
    for name in 0..20 {
        unknown.kid = Some(format!("made-up-{name}"));
        let forged = sign(&unknown, &claims("ann", 300), &key(EDGE));
        hold(&running, "A-1", &forged)
            .await
            .is_problem(403, "not-admitted");
    }
    assert!(
        reads.load(Ordering::SeqCst) <= 2,
        "{} readings",
        reads.load(Ordering::SeqCst)
    );
}

#[tokio::test]
async fn an_edge_out_of_reach_is_not_the_fan_s_fault() {
    // A port that was free a moment ago and that nobody listens on.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let running = behind(gone).await;
    let good = sign(&header(), &claims("ann", 300), &key(EDGE));
    let answer = hold(&running, "A-1", &good).await;
    answer.is_problem(503, "cannot-check");
    assert!(answer.header("retry-after").is_some());
}
