//! A real Chromium goes from the line to the shop: with scripts and without, through a restart, in two tabs, by a
//! button, and out of the line again; and through the sample shop behind everything.

mod webdriver;

use std::time::Duration;

use serde_json::json;

use self::webdriver::{Browser, Scripts};
use crate::support::{Fan, Origin, Sent, Tidegate, claims, eventually, send, until_expired};

const SOON: Duration = Duration::from_secs(5);
/// Two slots, and a rate that never binds.
const SMALL: &str = "mode = \"auto\"\nactive_max = 2\nadmit_per_min = 60000\nvisit_ttl = \"1m\"";
const SHOP: &str = "Welcome to the shop";
const WANTED: &str = "/events/1?x=1&y=a%20b";

/// A proxy whose two slots are taken, and the two who took them.
fn full(origin: &Origin, more: &str) -> (Tidegate, Vec<Fan>) {
    let tidegate = Tidegate::proxy(origin.address, &format!("{SMALL}\n{more}"));
    let mut inside: Vec<Fan> = (0..2).map(|_| Fan::of(&tidegate.site)).collect();
    for fan in &mut inside {
        assert!(fan.get("/").text().contains(SHOP) && fan.get("/again").text().contains(SHOP));
    }
    (tidegate, inside)
}

/// Frees a slot.
fn leave(fan: &mut Fan) {
    assert_eq!(
        fan.send(Sent::new("DELETE", "/_tidegate/rooms/drop/visits/me"))
            .status,
        204
    );
}

/// The number on the waiting page, which must be the one of its place.
fn number(browser: &Browser) -> u64 {
    let shown = browser.until_seen("[data-tide=number]", |text| !text.is_empty());
    let place = claims(
        &browser
            .cookie("tidegate_place_drop")
            .expect("the place is kept in a cookie"),
    );
    let number = place["number"].as_u64().expect("a number");
    assert_eq!(shown.replace(',', ""), number.to_string());
    number
}

fn until_in_the_shop(browser: &Browser, url: &str) {
    browser.until_seen("h1", |text| text == SHOP);
    assert_eq!(browser.url(), url, "where the fan first wanted to go");
}

/// Every request went to the site itself.
fn nothing_external(browser: &Browser, site: &str) -> Vec<String> {
    let asked = browser.requests();
    for url in &asked {
        let ours = [format!("http://{site}/"), format!("ws://{site}/")]
            .iter()
            .any(|start| url.starts_with(start));
        assert!(ours, "a foreign address was asked for: {url}");
    }
    asked
}

#[test]
fn the_page_counts_down_and_enters_by_itself() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin, "");
    let mut before: Vec<Fan> = (0..3).map(|_| Fan::of(&tidegate.site)).collect();
    let mut sockets: Vec<_> = before
        .iter_mut()
        .map(|fan| fan.socket().expect("a socket"))
        .collect();
    for socket in &mut sockets {
        // Who does not answer is passed over after a while, and no longer counted as ahead.
        socket.until("called", SOON);
        socket.say("here");
    }
    eventually("three are ready", SOON, || {
        (tidegate.room()["ready"] == 3).then_some(())
    });

    let browser = Browser::start(Scripts::On);
    let url = format!("http://{}{WANTED}", tidegate.site);
    browser.requests();
    browser.open(&url);
    assert!(number(&browser) > before[2].place().expect("a place").1);
    assert_eq!(browser.until_seen("[data-tide=ahead]", |text| text == "3"), "3");
    browser.until("the title counts", || {
        browser.title().starts_with("3 ahead").then_some(())
    });
    for (mut socket, left) in sockets.drain(..).zip(["2 ahead", "1 ahead", "You are next"]) {
        socket.say("leave");
        browser.until("the title counts down", || {
            browser.title().starts_with(left).then_some(())
        });
    }
    assert_eq!(browser.url(), url, "the page stands where the shop will");

    let asked = nothing_external(&browser, &tidegate.site);
    assert!(
        asked.iter().any(|url| url.starts_with("ws://")),
        "it moves by a socket: {asked:?}"
    );
    assert_eq!(
        asked.iter().filter(|asked| **asked == url).count(),
        1,
        "and not by reloading: {asked:?}"
    );
    let reached = origin.seen().len();
    leave(&mut inside[0]);
    until_in_the_shop(&browser, &url);
    let seen = origin.seen();
    assert_eq!(
        seen[reached..]
            .iter()
            .filter(|request| request[0].contains(WANTED))
            .count(),
        1,
        "{seen:?}"
    );
    assert_eq!(tidegate.room()["active"], 2);
}

#[test]
fn without_scripts_the_page_reloads_until_it_is_in() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin, "");
    let browser = Browser::start(Scripts::Off);
    let url = format!("http://{}{WANTED}", tidegate.site);
    browser.open(&url);
    let place = number(&browser);
    browser.requests();
    browser.until("it reloads by itself", || {
        let asked = nothing_external(&browser, &tidegate.site);
        asked.contains(&url).then_some(())
    });
    assert_eq!(number(&browser), place, "a reload keeps the place");
    browser.until_seen("noscript p", |text| text.contains("refreshes by itself"));
    assert_eq!(
        browser.seen("[data-tide=leave]"),
        None,
        "no button that needs a script"
    );
    leave(&mut inside[1]);
    until_in_the_shop(&browser, &url);
    assert_eq!(tidegate.room()["active"], 2);
}

#[test]
fn a_restart_keeps_the_place_and_the_page_comes_back_by_itself() {
    let origin = Origin::start();
    let (mut tidegate, mut inside) = full(&origin, "");
    let browser = Browser::start(Scripts::On);
    let url = format!("http://{}{WANTED}", tidegate.site);
    browser.open(&url);
    let place = number(&browser);
    browser.run("window.sameDocument = true");
    browser.requests();
    tidegate.kill_and_restart();
    browser.until("the socket is opened again", || {
        browser
            .requests()
            .iter()
            .any(|url| url.starts_with("ws://"))
            .then_some(())
    });
    eventually("the fan is back", 2 * SOON, || {
        (tidegate.room()["waiting"] == 1).then_some(())
    });
    assert_eq!(number(&browser), place);
    assert_eq!(
        browser.run("return window.sameDocument"),
        true,
        "without a reload"
    );
    leave(&mut inside[0]);
    until_in_the_shop(&browser, &url);
    assert_eq!(tidegate.room()["active"], 2);
}

#[test]
fn two_tabs_share_one_place_and_one_visit() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin, "");
    let browser = Browser::start(Scripts::On);
    let (one, two) = (
        format!("http://{}/one", tidegate.site),
        format!("http://{}/two", tidegate.site),
    );
    browser.open(&one);
    let (first, place) = (browser.tab(), number(&browser));
    let second = browser.new_tab();
    browser.open(&two);
    assert_eq!(number(&browser), place);
    assert_eq!(tidegate.room()["waiting"], 1);
    leave(&mut inside[0]);
    until_in_the_shop(&browser, &two);
    let visit = browser
        .cookie("tidegate_visit_drop")
        .map(|token| claims(&token)["visit"].clone());
    browser.to_tab(&first);
    until_in_the_shop(&browser, &one);
    assert_eq!(
        browser
            .cookie("tidegate_visit_drop")
            .map(|token| claims(&token)["visit"].clone()),
        visit
    );
    browser.to_tab(&second);
    let room = tidegate.room();
    assert_eq!(
        (&room["active"], &room["waiting"]),
        (&json!(2), &json!(0)),
        "one slot for both"
    );
}

#[test]
fn where_turns_are_confirmed_the_button_leads_in() {
    for scripts in [Scripts::On, Scripts::Off] {
        let origin = Origin::start();
        let (tidegate, mut inside) = full(&origin, "on_turn = \"confirm\"");
        let browser = Browser::start(scripts);
        let url = format!("http://{}{WANTED}", tidegate.site);
        browser.open(&url);
        browser.until_seen("#tide-here button", |text| text == "I am here, let me in");
        if scripts == Scripts::On {
            browser.until("the title says so", || {
                browser.title().starts_with("It is your turn").then_some(())
            });
        }
        browser.requests();
        leave(&mut inside[0]);
        tidegate.until_ticked(3);
        if scripts == Scripts::Off {
            // A page without scripts reloads, which must not answer for the fan.
            browser.until("it reloads", || browser.requests().contains(&url).then_some(()));
            tidegate.until_ticked(3);
        }
        assert_eq!(tidegate.room()["active"], 1, "nobody enters unasked");
        browser.click("#tide-here button");
        until_in_the_shop(&browser, &url);
        assert_eq!(tidegate.room()["active"], 2);
    }
}

#[test]
fn a_form_that_comes_too_late_leads_back_to_the_line() {
    let origin = Origin::start();
    let (tidegate, mut inside) = full(&origin, "enter_within = \"1s\"");
    let mut fan = Fan::of(&tidegate.site);
    let mut socket = fan.socket().expect("a socket");
    leave(&mut inside[0]);
    let admitted = socket.answer_until_admitted(SOON);
    drop(socket);
    until_expired(&admitted);
    let late = fan.enter(&admitted, "%2Fevents%2F1");
    assert_eq!(
        (late.status, late.header("location")),
        (303, Some("/events/1")),
        "{}",
        late.text()
    );
    assert!(late.cookies().is_empty(), "and gives no visit");
}

#[test]
fn leaving_the_line_gives_the_place_up() {
    let origin = Origin::start();
    let (tidegate, _inside) = full(&origin, "");
    let browser = Browser::start(Scripts::On);
    browser.open(&format!("http://{}{WANTED}", tidegate.site));
    let place = number(&browser);
    browser.click("[data-tide=leave]");
    browser.click("[data-tide=leave_no]");
    assert_eq!(number(&browser), place, "asked first, and kept");
    browser.click("[data-tide=leave]");
    browser.click("[data-tide=leave_yes]");
    browser.until_seen("[data-tide=status]", |text| text == "You have left the line");
    assert_eq!(
        browser.run("return document.activeElement.dataset.tide"),
        "rejoin",
        "who uses the keyboard goes on from what can be done next"
    );
    eventually("nobody waits", SOON, || {
        (tidegate.room()["waiting"] == 0).then_some(())
    });
    browser.until("the cookie is gone", || {
        browser.cookie("tidegate_place_drop").is_none().then_some(())
    });
    browser.click("[data-tide=rejoin]");
    browser.until("a new place at the end", || {
        (browser.cookie("tidegate_place_drop").is_some()).then_some(())
    });
    assert!(number(&browser) > place);
}

#[test]
fn seats_are_held_through_the_edge() {
    let tidegate = Tidegate::up();
    for scripts in [Scripts::On, Scripts::Off] {
        let browser = Browser::start(scripts);
        browser.requests();
        browser.open(&format!("http://{}/", tidegate.site));
        browser.until_seen("h1", |text| text == "Your next good evening.");
        browser.click(".card h3 a");
        browser.click(".times li a");
        // Who has no account yet makes one, and is back at the seats.
        browser.click(".buy a.btn");
        browser.click(".desk p a");
        browser.type_into(
            "[name=username]",
            if scripts == Scripts::On { "ada" } else { "grace" },
        );
        browser.type_into("[name=password]", "correct horse battery");
        browser.click(".desk button");
        browser.click(".seat.free");
        if scripts == Scripts::On {
            browser.until_seen("#sum", |text| text.contains('·'));
        }
        browser.click(".buy button");
        browser.until_seen(".hold h2", |text| {
            text.starts_with("Seat ") && text.ends_with("is yours")
        });
        assert_eq!(browser.seen("[role=alert]"), None);
        nothing_external(&browser, &tidegate.site);
        browser.click(".hold form:last-child button");
        browser.until_seen("h1", |text| text == "Thank you for making room.");
        assert_eq!(
            browser.cookie("tidegate_visit_drop"),
            None,
            "the visit ended with the release"
        );
    }
    let address = format!("http://{}", tidegate.site);
    let found = Fan::of(&tidegate.site).send(Sent::page("/search?q=Ghost&city=Chico"));
    assert_eq!(found.status, 200, "{address}: {}", found.text());
    assert!(
        found.text().contains("Ghost") && found.text().contains("Chico"),
        "{}",
        found.text()
    );
    let refused = send(
        &tidegate.site,
        &Sent::new("POST", "/showtimes/1/holds").json(&json!({ "seats": ["A1"] })),
    );
    assert_eq!(
        refused.status,
        503,
        "who was not let in holds nothing: {}",
        refused.text()
    );
}

/// From the line to a ticket in the hand, in a real browser, with and without scripts.
#[test]
fn a_ticket_is_bought_through_the_edge() {
    let tidegate = Tidegate::up();
    for (scripts, name) in [(Scripts::On, "ada"), (Scripts::Off, "grace")] {
        let browser = Browser::start(scripts);
        browser.requests();
        browser.open(&format!("http://{}/", tidegate.site));
        browser.click(".card h3 a");
        browser.click(".times li a");
        browser.click(".buy a.btn");
        browser.click(".desk p a");
        browser.type_into("[name=username]", name);
        browser.type_into("[name=password]", "correct horse battery");
        browser.click(".desk button");
        browser.click(".seat.free");
        browser.click(".buy button");
        browser.click(".hold .left a.btn");
        browser.until_seen("h1", |text| text == "Pay for your seats");
        browser.type_into("[name=email]", "fan@example.com");
        browser.click(".desk button");
        browser.until_seen(".state", |text| text == "Your seats are kept while you pay.");
        browser.click(".desk p a.btn");
        browser.type_into("[name=number]", "4000 0000 0000 0002");
        browser.click("form.entry button");
        browser.until_seen("[role=alert]", |text| text.contains("another card"));
        browser.type_into("[name=number]", "4242 4242 4242 4242");
        browser.click("form.entry button");
        browser.until_seen(".state", |text| text == "Here are your tickets.");
        assert_eq!(
            browser.cookie("tidegate_visit_drop"),
            None,
            "the visit ended with the order"
        );
        browser.click(".desk .plain a");
        browser.until_seen(".code svg", |_| true);
        nothing_external(&browser, &tidegate.site);
    }
}
