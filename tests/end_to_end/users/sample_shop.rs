//! The configuration that ships, and booking as it is: who logs in there is a user to the edge, and what people need
//! beside their turn answers while the room is full.

use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as base64url;
use serde_json::json;

use super::SOON;
use crate::support::{Fan, Origin, Response, Sent, Tidegate, binary, claims, eventually, free_port, send};

/// Signs somebody up, and gives the token. The fan's jar has the cookie.
fn sign_up(fan: &mut Fan, name: &str) -> String {
    let account = json!({"username": name, "password": "correct horse battery staple"});
    let answer = fan.send(Sent::new("POST", "/signup").json(&account));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(fan.cookies.contains_key("booking_user"), "{:?}", answer.headers);
    answer.json()["user_token"].as_str().expect("a token").to_owned()
}

fn account(site: &str, token: &str) -> Response {
    let sent = Sent::new("GET", "/account").header("Accept", "application/json");
    send(site, &sent.header("Authorization", format!("Bearer {token}")))
}

/// A shop whose only slot is taken.
fn full() -> (Tidegate, Fan) {
    let shop = Tidegate::up();
    shop.change(&json!({"active_max": 1}));
    let mut inside = Fan::of(&shop.site);
    assert_eq!(inside.get("/").status, 200);
    assert!(inside.has_visit() && inside.get("/events").status == 200);
    (shop, inside)
}

#[test]
fn what_needs_no_turn_answers_while_the_room_is_full() {
    let (shop, _inside) = full();
    let mut fan = Fan::of(&shop.site);
    let waiting = fan.get("/");
    assert!(fan.place().is_some() && !fan.has_visit(), "{}", waiting.text());
    let mut buyer = Fan::of(&shop.site);
    sign_up(&mut buyer, "ann");
    for sent in [
        Sent::page("/login"),
        Sent::page("/signup"),
        Sent::page("/account"),
        Sent::page("/orders"),
        Sent::page("/orders/1"),
        Sent::page("/tickets/1"),
        Sent::page("/pay/x"),
        Sent::page("/pay/x/step"),
        Sent::page("/checkin"),
        Sent::new("POST", "/checkin").json(&json!({"code": "x"})),
        Sent::new("POST", "/payments/webhook").json(&json!({})),
        Sent::new("POST", "/login").json(&json!({"username": "ann", "password": "wrong"})),
        Sent::page("/health"),
        Sent::new("POST", "/venues").json(&json!({})),
        Sent::new("POST", "/events").json(&json!({})),
        Sent::new("PATCH", "/events/1").json(&json!({})),
        Sent::new("POST", "/events/1/showtimes").json(&json!({})),
        Sent::new("PATCH", "/showtimes/1").json(&json!({})),
        Sent::new("POST", "/showtimes/1/cancel").json(&json!({})),
        Sent::new("POST", "/import").json(&json!({})),
        Sent::new("POST", "/accounts/ann/role").json(&json!({})),
    ] {
        let forwarded = || shop.metric("tidegate_requests_total{verdict=\"forwarded_free\"}");
        let (what, before) = (format!("{} {}", sent.method, sent.path), forwarded());
        let answer = buyer.send(sent);
        assert!(
            !matches!(answer.status, 502..=504),
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        assert_eq!(
            forwarded(),
            before + 1,
            "{what} was not booking's to answer: {}",
            answer.status
        );
        assert!(
            buyer.place().is_none() && !buyer.has_visit(),
            "{what} took a place"
        );
    }
    assert_eq!(buyer.get("/account").status, 200);
}

/// From the line to tickets in the hand, through the edge. With them the visit is over, and the next fan comes in.
#[test]
fn an_order_that_is_done_lets_the_next_fan_in() {
    let (shop, mut fan) = full();
    sign_up(&mut fan, "ann");
    let seats = json!({"showtime": 7, "best_available": {"quantity": 2}});
    let held = fan.send(Sent::new("POST", "/reserve").json(&seats));
    assert_eq!(held.status, 201, "{}", held.text());
    // The visit is over early: the seats are the fan's all the same, and can be paid.
    let visit = fan.cookies.remove("tidegate_visit_drop").expect("a visit");
    let book = json!({"hold": held.json()["id"], "email": "ann@example.com"});
    let booked = fan.send(Sent::new("POST", "/book").json(&book));
    assert_eq!(booked.status, 201, "{}", booked.text());
    fan.cookies.insert("tidegate_visit_drop".to_owned(), visit);
    let order = booked.json();
    let page = order["payment"]["url"].as_str().expect("a page to pay on");
    let paid = fan.send(Sent::new("POST", page).form("number=4242424242424242"));
    assert_eq!(paid.status, 303, "{}", paid.text());
    let mut next = Fan::of(&shop.site);
    next.get("/");
    assert!(!next.has_visit() && next.place().is_some());
    let path = format!("{}?returned=1", order["url"].as_str().expect("a path"));
    let done = eventually("the tickets are out", SOON, || {
        let look = Sent::new("GET", &path).header("Accept", "application/json");
        let answer = fan.send(look);
        assert_eq!(answer.status, 200, "{}", answer.text());
        (answer.json()["state"] == "issued").then_some(answer)
    });
    assert_eq!(done.json()["tickets"].as_array().map(Vec::len), Some(2));
    assert_eq!(done.cookies()["tidegate_visit_drop"], "", "the visit is over");
    assert_eq!(
        done.header("tidegate-command"),
        None,
        "what is said to the edge stays there"
    );
    eventually("the slot is free", SOON, || {
        (shop.room()["active"] == 0 || shop.room()["waiting"] == 0).then_some(())
    });
    assert!(!fan.has_visit());
}

#[test]
fn who_logs_in_at_the_shop_is_a_user_to_the_edge_and_a_forger_is_not() {
    let (shop, _inside) = full();
    let (site, mut fan) = (&shop.site, Fan::of(&shop.site));
    let bare = fan.get("/account");
    assert_eq!(
        (bare.status, bare.header("location")),
        (303, Some("/login?return_to=%2Faccount"))
    );
    let token = sign_up(&mut fan, "ann");
    assert_eq!(account(site, &token).status, 200, "as a program");
    assert_eq!(fan.get("/account").status, 200, "as a browser");

    let (_, rest) = token.split_once('.').expect("three parts");
    let (payload, signature) = rest.split_once('.').expect("three parts");
    let header = |alg: &str| {
        let mut header = header_of(&token);
        header["alg"] = alg.into();
        base64url.encode(header.to_string())
    };
    let mut eve = claims(&token);
    eve["sub"] = "01940000000000000000000000".into();
    let eve = base64url.encode(eve.to_string());
    for (what, forged) in [
        ("other claims", format!("{}.{eve}.{signature}", header("EdDSA"))),
        ("alg none", format!("{}.{payload}.", header("none"))),
        (
            "alg none, with the old signature",
            format!("{}.{payload}.{signature}", header("none")),
        ),
        ("nothing signed", format!("{}.{payload}.", header("EdDSA"))),
    ] {
        let counted = || shop.metric("tidegate_requests_total{verdict=\"login\"}");
        let before = counted();
        assert_eq!(account(site, &forged).status, 401, "{what}");
        assert_eq!(counted(), before + 1, "{what}: it was the edge that refused");
    }
    let named = Sent::new("GET", "/account")
        .header("Accept", "application/json")
        .header(
            "Tidegate-User",
            claims(&token)["sub"].as_str().expect("an account"),
        );
    assert_eq!(send(site, &named).status, 401, "a name is no token");
}

fn header_of(token: &str) -> serde_json::Value {
    let (header, _) = token.split_once('.').expect("three parts");
    let bytes = base64url.decode(header).expect("base64url");
    serde_json::from_slice(&bytes).expect("a header is JSON")
}

/// A booking service in a process of its own, ended when dropped.
struct Booking(Child);

impl Drop for Booking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_shops_users_are_known_while_booking_is_stopped() {
    let (origin, port) = (Origin::start(), free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("booking.toml");
    let sections = format!("[booking]\nlisten = \"127.0.0.1:{port}\"\nrequire_admission = false\n");
    std::fs::write(&file, sections).expect("a file");
    let mut command = binary();
    command
        .args(["booking", "--config"])
        .arg(&file)
        .current_dir(folder.path());
    let output = || Stdio::from(std::fs::File::create(folder.path().join("log.txt")).expect("a log"));
    command.stdin(Stdio::null()).stdout(output()).stderr(output());
    let booking = Booking(command.spawn().expect("the binary starts"));
    let address = format!("127.0.0.1:{port}");
    eventually("booking answers", SOON, || {
        std::net::TcpStream::connect(&address).ok()?;
        (send(&address, &Sent::new("GET", "/health")).status == 200).then_some(())
    });
    let tidegate = super::edge(&origin, port);
    let token = sign_up(&mut Fan::of(&address), "ann");
    super::until_opened(&tidegate, &token);
    drop(booking);
    assert!(std::net::TcpStream::connect(&address).is_err(), "booking is gone");
    let account = claims(&token)["sub"].as_str().expect("an account").to_owned();
    for _ in 0..3 {
        assert_eq!(super::program(&tidegate, "/mine/1", &token).status, 200);
        assert_eq!(super::told(&origin), [format!("Tidegate-User: {account}")]);
        assert_eq!(super::browser(&tidegate, "/mine/1", &token).status, 200);
    }
}
