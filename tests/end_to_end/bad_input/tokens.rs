//! Tokens that are forged, expired, for something else, of another room, round or visitor, or used up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{LINE, ROOM, SOON, admitted, enter_json, full, inside, proxy, refused, token_of, unmoved};
use crate::support::{Fan, Origin, Sent, Tidegate, claims, eventually, send, until_expired};

/// The same token with one claim changed, under the signature it had.
fn with_claim(token: &str, name: &str, value: serde_json::Value) -> String {
    let mut changed = claims(token);
    changed[name] = value;
    let parts: Vec<&str> = token.split('.').collect();
    format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(changed.to_string()),
        parts[2]
    )
}

/// The same claims, signed with nothing.
fn unsigned(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let head = URL_SAFE_NO_PAD.decode(parts[0]).expect("base64url");
    let mut head: serde_json::Value = serde_json::from_slice(&head).expect("a header");
    head["alg"] = json!("none");
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(head.to_string()), parts[1])
}

fn poll(site: &str, token: &str) -> crate::support::Response {
    send(
        site,
        &Sent::new("GET", &format!("{LINE}/places/me")).header("Authorization", format!("Bearer {token}")),
    )
}

#[test]
fn forged_tokens_are_worth_nothing() {
    let (_origin, tidegate, inside) = full();
    let site = &tidegate.site;
    let mut fan = Fan::of(site);
    fan.get("/");
    let place = fan.cookies["tidegate_place_drop"].clone();
    let visit = inside[0].cookies["tidegate_visit_drop"].clone();
    unmoved(&tidegate, "a forged token", || {
        let forged = [
            with_claim(&place, "number", json!(1)),
            unsigned(&place),
            "nonsense".into(),
            "a.b.c".into(),
        ];
        for token in &forged {
            refused(token, &poll(site, token), 401, "token-invalid");
            let mut stranger = Fan::of(site);
            let answer = enter_json(&mut stranger, token);
            refused(token, &answer, 401, "token-invalid");
            let error = Fan::of(site)
                .socket_with(&[("Authorization", &format!("Bearer {token}"))])
                .err();
            assert!(
                matches!(error.as_deref(), Some(tungstenite::Error::Http(r)) if r.status() == 401),
                "{error:?}"
            );
        }
        for token in [
            with_claim(&visit, "number", json!(1)),
            unsigned(&visit),
            "nonsense".to_owned(),
        ] {
            let asked = Sent::new("GET", "/")
                .header("Accept", "application/json")
                .header("Tidegate-Visit-Token", &*token);
            let answer = send(site, &asked);
            refused(&token, &answer, 503, "waiting");
            let ended =
                Sent::new("DELETE", &format!("{LINE}/visits/me")).header("Tidegate-Visit-Token", &*token);
            refused(&token, &send(site, &ended), 401, "token-invalid");
        }
    });
    // A forged cookie makes its bearer an arrival, with a place at the end of the line.
    let mut forger = fan.clone();
    forger.cookies.insert(
        "tidegate_place_drop".into(),
        with_claim(&place, "number", json!(1)),
    );
    forger.get("/");
    assert!(
        forger.place() > fan.place(),
        "{:?} {:?}",
        forger.place(),
        fan.place()
    );
}

#[test]
fn a_token_for_one_purpose_serves_no_other() {
    let (_origin, tidegate) = proxy();
    let site = &tidegate.site;
    let visit = inside(site).cookies["tidegate_visit_drop"].clone();
    let (fan, frame) = admitted(site);
    let (admission, place) = (token_of(&frame), fan.cookies["tidegate_place_drop"].clone());
    let visitor = fan.cookies["tidegate_visitor"].clone();
    unmoved(&tidegate, "a token for something else", || {
        for (name, token) in [
            ("admission", &admission),
            ("visit", &visit),
            ("visitor", &visitor),
        ] {
            refused(name, &poll(site, token), 401, "token-invalid");
        }
        for (name, token) in [("place", &place), ("visit", &visit), ("visitor", &visitor)] {
            refused(name, &enter_json(&mut fan.clone(), token), 401, "token-invalid");
        }
        for (name, token) in [
            ("place", &place),
            ("admission", &admission),
            ("visitor", &visitor),
        ] {
            let asked = Sent::new("GET", "/")
                .header("Accept", "application/json")
                .header("Tidegate-Visit-Token", &**token);
            refused(name, &send(site, &asked), 503, "waiting");
            let mut planted = Fan::of(site);
            planted
                .cookies
                .insert("tidegate_visit_drop".into(), token.clone());
            let asked = Sent::new("GET", "/").header("Accept", "application/json");
            refused(name, &planted.send(asked), 503, "waiting");
        }
    });
}

#[test]
fn tokens_of_another_room_are_refused() {
    let origin = Origin::start();
    let rest = format!(
        "[[upstream]]\nname = \"shop\"\nservers = [\"{}\"]\n\n[[room]]\nid = \"drop\"\n{ROOM}\n\n\
         [[room]]\nid = \"other\"\n{ROOM}\n\n[[route]]\npath = \"/other/**\"\nupstream = \"shop\"\nroom = \"other\"\n\n\
         [[route]]\npath = \"/**\"\nupstream = \"shop\"\nroom = \"drop\"\n",
        origin.address
    );
    let tidegate = Tidegate::configured("", &rest);
    let site = &tidegate.site;
    let visitor = inside(site);
    let (mut fan, frame) = admitted(site);
    let place = fan.cookies["tidegate_place_drop"].clone();
    let other = || tidegate.ask(Sent::new("GET", "/api/v1/rooms/other")).json();
    let issued = other()["issued"].clone();
    unmoved(&tidegate, "a token of another room", || {
        let to = "/_tidegate/rooms/other";
        let spent =
            fan.send(Sent::new("POST", &format!("{to}/enter")).json(&json!({ "token": token_of(&frame) })));
        refused("admission", &spent, 403, "token-wrong-room");
        let polled =
            Sent::new("GET", &format!("{to}/places/me")).header("Authorization", format!("Bearer {place}"));
        refused("place", &send(site, &polled), 403, "token-wrong-room");
        let visit = visitor.cookies["tidegate_visit_drop"].clone();
        let ended = Sent::new("DELETE", &format!("{to}/visits/me")).header("Tidegate-Visit-Token", &*visit);
        refused("visit", &send(site, &ended), 403, "token-wrong-room");
        let mut planted = visitor.clone();
        planted.cookies.insert("tidegate_visit_other".into(), visit);
        let asked = Sent::new("GET", "/other/seats").header("Accept", "application/json");
        refused("planted visit", &planted.send(asked), 503, "waiting");
        let unknown = Sent::new("POST", "/_tidegate/rooms/nowhere/places").json(&json!({}));
        refused("no such room", &send(site, &unknown), 404, "no-such-room");
    });
    assert_eq!(
        (other()["issued"].clone(), other()["active"].clone()),
        (issued, json!(0))
    );
}

#[test]
fn an_admission_expires_and_the_place_is_kept() {
    let origin = Origin::start();
    let tidegate = Tidegate::proxy(origin.address, &format!("{ROOM}\nenter_within = \"1s\""));
    let (mut fan, frame) = admitted(&tidegate.site);
    let place = fan.place();
    until_expired(&frame);
    eventually("the slot is free again", SOON, || {
        (tidegate.room()["active"] == 0).then_some(())
    });
    let token = token_of(&frame);
    let before = tidegate.room()["admitted"].clone();
    refused("expired", &enter_json(&mut fan, &token), 401, "token-expired");
    assert_eq!(
        (&tidegate.room()["admitted"], &tidegate.room()["active"]),
        (&before, &json!(0))
    );
    let mut again = fan.socket().expect("a socket");
    assert_eq!(fan.place(), place, "the place is kept");
    let frame = again.answer_until_admitted(SOON);
    assert_eq!(fan.enter(&frame, "/").status, 303, "and admitted again");
}

#[test]
fn tokens_of_a_round_that_is_over_make_an_arrival() {
    let (_origin, tidegate, mut inside) = full();
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let (old, token) = (
        fan.place().expect("a place"),
        fan.cookies["tidegate_place_drop"].clone(),
    );
    let frame = {
        tidegate.change(&json!({"active_max": 3}));
        let mut third = Fan::of(&tidegate.site);
        let mut frames = fan.socket().expect("a socket");
        let frame = frames.answer_until_admitted(SOON);
        third.get("/");
        frame
    };
    for action in ["close", "resume"] {
        let answer = tidegate.ask(Sent::new("POST", &format!("/api/v1/rooms/drop/{action}")));
        assert_eq!(answer.status, 200, "{action}: {}", answer.text());
    }
    eventually("the new round is open", SOON, || {
        (tidegate.room()["status"] == "open").then_some(())
    });
    assert_eq!(tidegate.room()["active"], 0, "no visit outlives its round");
    unmoved(&tidegate, "a token of an old round", || {
        refused(
            "admission",
            &enter_json(&mut fan, &token_of(&frame)),
            409,
            "turn-is-over",
        );
        refused("place", &poll(&tidegate.site, &token), 410, "place-is-over");
        let asked = Sent::new("GET", "/").header("Accept", "application/json");
        refused("visit", &inside[0].send(asked), 503, "waiting");
        let ended = inside[1].send(Sent::new("DELETE", &format!("{LINE}/visits/me")));
        assert_eq!(
            ended.status,
            204,
            "ending what is over is ending it once: {}",
            ended.text()
        );
    });
    fan.get("/");
    assert!(
        fan.place().is_some_and(|new| new > old),
        "an old cookie makes its bearer an arrival"
    );
}

#[test]
fn a_used_admission_opens_nothing_again() {
    let (_origin, tidegate) = proxy();
    let (mut fan, frame) = admitted(&tidegate.site);
    let place = fan.cookies["tidegate_place_drop"].clone();
    assert_eq!(fan.enter(&frame, "/").status, 303);
    assert!(fan.get("/").text().contains("Welcome"));
    let visit = fan.cookies["tidegate_visit_drop"].clone();
    assert_eq!(
        fan.send(Sent::new("DELETE", &format!("{LINE}/visits/me"))).status,
        204
    );
    eventually("the slot is free", SOON, || {
        (tidegate.room()["active"] == 0).then_some(())
    });
    unmoved(&tidegate, "a used token", || {
        refused(
            "admission",
            &enter_json(&mut fan, &token_of(&frame)),
            409,
            "turn-is-over",
        );
        let asked = Sent::new("GET", "/")
            .header("Accept", "application/json")
            .header("Tidegate-Visit-Token", &*visit);
        refused("visit", &send(&tidegate.site, &asked), 503, "waiting");
        refused("place", &poll(&tidegate.site, &place), 410, "place-is-over");
    });
}

#[test]
fn a_token_of_another_visitor_is_refused() {
    let (_origin, tidegate) = proxy();
    let site = &tidegate.site;
    let _inside = inside(site);
    let (mut fan, frame) = admitted(site);
    let mut thief = Fan::of(site);
    thief.get("/");
    let own = thief.place();
    unmoved(&tidegate, "a token of another visitor", || {
        let answer = enter_json(&mut thief, &token_of(&frame));
        refused("admission", &answer, 403, "token-wrong-visitor");
        refused(
            "admission, as a form",
            &thief.enter(&frame, "/"),
            403,
            "token-wrong-visitor",
        );
        let mut nobody = Fan::of(site);
        refused(
            "admission without cookies",
            &nobody.enter(&frame, "/"),
            403,
            "token-wrong-visitor",
        );
        let place = fan.cookies["tidegate_place_drop"].clone();
        for (what, visitor) in [
            ("another's", thief.cookies.get("tidegate_visitor").cloned()),
            ("no", None),
        ] {
            let mut copied = Fan::of(site);
            copied.cookies.insert("tidegate_place_drop".into(), place.clone());
            copied
                .cookies
                .extend(visitor.map(|card| ("tidegate_visitor".to_owned(), card)));
            let polled = copied.send(Sent::new("GET", &format!("{LINE}/places/me")));
            refused(
                &format!("a place with {what} visitor"),
                &polled,
                403,
                "token-wrong-visitor",
            );
            let left = copied.send(Sent::new("DELETE", &format!("{LINE}/places/me")));
            refused(
                &format!("leaving with {what} visitor"),
                &left,
                403,
                "token-wrong-visitor",
            );
        }
    });
    assert_eq!(thief.place(), own, "the thief keeps their own place");
    assert_eq!(fan.enter(&frame, "/").status, 303, "and the fan their turn");
}
