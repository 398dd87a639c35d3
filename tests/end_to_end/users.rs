//! Routes that ask for a user: whose token opens them, and what the origin is told.

mod issuer;
mod keys;
mod sample_shop;

use std::time::Duration;

use serde_json::json;

use self::issuer::{KeyServer, Signer, TYPE};
use crate::support::{Fan, Origin, Response, Sent, Tidegate, eventually, free_port, send};

const SOON: Duration = Duration::from_secs(20);

/// An edge with a route that is open, one for users, one for users in a room with one slot, and that room's rest.
fn edge(origin: &Origin, keys_port: u16) -> Tidegate {
    let route =
        |path: &str, rest: &str| format!("[[route]]\npath = \"{path}\"\nupstream = \"shop\"\n{rest}\n\n");
    let rest = format!(
        "[[upstream]]\nname = \"shop\"\nservers = [\"{}\"]\n\n\
         [[room]]\nid = \"drop\"\nactive_max = 1\nadmit_per_min = 60000\n\n\
         [users]\njwks_url = \"http://127.0.0.1:{keys_port}/jwks.json\"\nlogin_path = \"/open/login\"\n\n{}{}{}{}",
        origin.address,
        route("/open/**", "free = true"),
        route("/mine/**", "free = true\nauth = \"user\""),
        route("/drop/**", "room = \"drop\"\nauth = \"user\""),
        route("/**", "room = \"drop\""),
    );
    Tidegate::configured("", &rest)
}

/// An edge that knows the signer's keys.
fn knowing(origin: &Origin, signer: &Signer) -> (Tidegate, KeyServer) {
    let keys = KeyServer::start(free_port(), signer);
    let tidegate = edge(origin, keys.port);
    until_opened(&tidegate, &signer.user("somebody"));
    (tidegate, keys)
}

fn until_opened(tidegate: &Tidegate, token: &str) {
    eventually("the keys are known", SOON, || {
        (program(tidegate, "/mine/x", token).status == 200).then_some(())
    });
}

/// A program's call with a token.
fn program(tidegate: &Tidegate, path: &str, token: &str) -> Response {
    let sent = Sent::new("GET", path).header("Accept", "application/json");
    send(
        &tidegate.site,
        &sent.header("Authorization", format!("Bearer {token}")),
    )
}

/// A browser's, with the token in its cookie.
fn browser(tidegate: &Tidegate, path: &str, token: &str) -> Response {
    let sent = Sent::page(path).header("Cookie", format!("a=1; booking_user={token}; b=2"));
    send(&tidegate.site, &sent)
}

/// What the last request told the origin about its user.
fn told(origin: &Origin) -> Vec<String> {
    let seen = origin.seen().pop().expect("a request");
    let says_user = |line: &String| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name.replace('_', "-") == "tidegate-user"
    };
    seen.into_iter().filter(says_user).collect()
}

#[test]
fn only_a_token_of_a_user_opens_a_route_and_the_origin_is_told_whose() {
    let (origin, signer) = (Origin::start(), Signer::new("u1"));
    let (tidegate, _keys) = knowing(&origin, &signer);
    let good = signer.user("ann-7f");
    for answer in [
        program(&tidegate, "/mine/1", &good),
        browser(&tidegate, "/mine/1", &good),
        send(
            &tidegate.site,
            &Sent::new("POST", "/mine/1")
                .json(&json!({}))
                .header("Authorization", format!("bearer {good}")),
        ),
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(told(&origin), ["Tidegate-User: ann-7f"]);
    }

    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let mut torn = signature.as_bytes().to_vec();
    torn[10] = if torn[10] == b'A' { b'B' } else { b'A' };
    let torn = String::from_utf8(torn).expect("ASCII");
    let claims = json!({"sub": "eve", "exp": Signer::in_seconds(600)});
    let header = |alg: &str| json!({"typ": TYPE, "alg": alg, "kid": "u1"});
    let signed = signer.sign(&header("none"), &claims);
    let unsigned = format!("{}.", signed.rsplit_once('.').expect("three parts").0);
    let (told_before, reached) = (told(&origin), origin.seen().len());
    for (what, token) in [
        ("nonsense", "x".to_owned()),
        ("a torn signature", format!("{message}.{torn}")),
        ("expired", signer.token("ann-7f", -60)),
        ("another's key under the same name", Signer::new("u1").user("eve")),
        ("a key nobody knows", Signer::new("u2").user("eve")),
        ("alg none", unsigned),
        ("alg none with a signature", signed),
        ("a symmetric algorithm", signer.sign(&header("HS256"), &claims)),
        (
            "a token for another purpose",
            signer.sign(
                &json!({"typ": "tidegate-assertion+jwt", "alg": "EdDSA", "kid": "u1"}),
                &claims,
            ),
        ),
    ] {
        let refused = program(&tidegate, "/mine/1", &token);
        assert_eq!(refused.status, 401, "{what}");
        assert_eq!(
            refused.json()["type"],
            "urn:tidegate:problem:login-needed",
            "{what}"
        );
        assert_eq!(
            refused.header("www-authenticate"),
            Some("Bearer error=\"invalid_token\"")
        );
        let sent_on = browser(&tidegate, "/mine/1?tab=2", &token);
        assert_eq!(
            (sent_on.status, sent_on.header("location")),
            (303, Some("/open/login?return_to=%2Fmine%2F1%3Ftab%3D2")),
            "{what}"
        );
        assert_eq!(sent_on.header("cache-control"), Some("no-store"));
    }
    let bare = send(&tidegate.site, &Sent::page("/mine"));
    assert_eq!(
        (bare.status, bare.header("location")),
        (303, Some("/open/login?return_to=%2Fmine"))
    );
    for sent in [
        Sent::new("GET", "/mine/1").header("Accept", "*/*"),
        Sent::new("POST", "/mine/1").form("a=b"),
        Sent::new("DELETE", "/mine/1"),
    ] {
        let answer = send(&tidegate.site, &sent);
        assert_eq!(answer.status, 401, "{} {:?}", sent.method, answer.headers);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(
        (told(&origin), origin.seen().len()),
        (told_before, reached),
        "nothing of all that reached the origin"
    );
}

#[test]
fn nobody_names_a_user_but_the_edge() {
    let (origin, signer) = (Origin::start(), Signer::new("u1"));
    let (tidegate, _keys) = knowing(&origin, &signer);
    let good = signer.user("ann");
    let smuggle = |sent: Sent| {
        let sent = sent
            .header("Tidegate-User", "eve")
            .header("tidegate_user", "eve")
            .header("TIDEGATE-USER", "eve");
        send(&tidegate.site, &sent).status
    };
    let own = || Sent::new("GET", "/mine/1").header("Authorization", format!("Bearer {good}"));
    assert_eq!(smuggle(own()), 200);
    assert_eq!(told(&origin), ["Tidegate-User: ann"]);
    assert_eq!(smuggle(Sent::new("GET", "/mine/1")), 401);
    assert_eq!(smuggle(Sent::new("GET", "/open/1")), 200);
    assert_eq!(told(&origin), [""; 0], "on a route that asks for nobody");
    let named = Sent::page("/open/1").header("Authorization", format!("Bearer {good}"));
    assert_eq!(send(&tidegate.site, &named).status, 200);
    assert_eq!(told(&origin), [""; 0], "even of somebody who is one");
    let mut fan = Fan::of(&tidegate.site);
    assert!(fan.get("/").text().contains("Welcome") && fan.has_visit());
    let cookies = fan.cookie_line().expect("cookies");
    assert_eq!(smuggle(Sent::page("/").header("Cookie", cookies)), 200);
    assert_eq!(told(&origin), [""; 0], "in a room");
}

#[test]
fn the_line_comes_before_the_login_and_a_login_does_not_cost_the_place() {
    let (origin, signer) = (Origin::start(), Signer::new("u1"));
    let (tidegate, _keys) = knowing(&origin, &signer);
    let reached = origin.seen().len();
    let mut fan = Fan::of(&tidegate.site);
    let straight = fan.get("/drop/seats");
    assert_eq!(
        (straight.status, straight.header("location")),
        (303, Some("/open/login?return_to=%2Fdrop%2Fseats"))
    );
    assert!(fan.has_visit(), "the slot that was free is this fan's");
    assert_eq!(fan.get("/drop/seats").status, 303, "a visit is no login");
    assert_eq!(origin.seen().len(), reached);
    fan.cookies.insert("booking_user".to_owned(), signer.user("ann"));
    let inside = fan.get("/drop/seats");
    assert!(inside.text().contains("Welcome"), "{}", inside.status);
    assert_eq!(told(&origin), ["Tidegate-User: ann"]);

    let mut late = Fan::of(&tidegate.site);
    let page = late.get("/drop/seats");
    assert_eq!((page.status, page.header("location")), (200, None));
    assert!(late.place().is_some() && !late.has_visit());
    late.cookies.insert("booking_user".to_owned(), signer.user("bob"));
    let place = late.place();
    let page = late.get("/drop/seats");
    assert!(!page.text().contains("Welcome"), "a login is no visit");
    assert_eq!(late.place(), place);
    let program = program(&tidegate, "/drop/seats", &signer.user("carol"));
    assert_eq!(
        (program.status, program.json()["join"].as_str()),
        (503, Some("/_tidegate/rooms/drop/places"))
    );
}
