//! Ten thousand joins without cookies from one address.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::ROOM;
use crate::support::{Fan, Origin, Sent, Tidegate, send};

const JOINS: usize = 10_000;
const ALLOWED: usize = 500;
const CONNECTIONS: usize = 8;

/// Sends so many joins over one connection; says how many were given a place and how many were told to come back.
fn flood(site: &str, joins: usize) -> (usize, usize) {
    let stream = TcpStream::connect(site).expect("a connection");
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    let request =
        format!("POST /_tidegate/rooms/drop/places HTTP/1.1\r\nHost: {site}\r\nContent-Length: 0\r\n\r\n");
    let (mut placed, mut turned_away) = (0, 0);
    for _ in 0..joins {
        writer.write_all(request.as_bytes()).expect("a request");
        let (mut status, mut length, mut retry_after) = (0, 0, None);
        loop {
            let mut line = String::new();
            assert!(
                reader.read_line(&mut line).expect("an answer") > 0,
                "the connection is kept"
            );
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(("retry-after", value)) => retry_after = value.parse::<u32>().ok(),
                None if line.is_empty() => break,
                None => {
                    status = line
                        .split(' ')
                        .nth(1)
                        .and_then(|text| text.parse().ok())
                        .expect("a status")
                }
                Some(_) => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).expect("a body");
        match status {
            201 => placed += 1,
            429 => {
                assert!(
                    retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)),
                    "{retry_after:?}"
                );
                turned_away += 1;
            }
            other => panic!("answered {other}"),
        }
    }
    (placed, turned_away)
}

#[test]
fn ten_thousand_joins_from_one_address_take_no_more_than_its_share() {
    let origin = Origin::start();
    let rest = format!(
        "[[upstream]]\nname = \"shop\"\nservers = [\"{}\"]\n\n[[room]]\nid = \"drop\"\n{ROOM}\n\n\
         [[route]]\npath = \"/**\"\nupstream = \"shop\"\nroom = \"drop\"\n",
        origin.address
    );
    let edge = format!("joins_per_address_per_min = {ALLOWED}\ntrusted_proxies = [\"127.0.0.9\"]");
    let tidegate = Tidegate::configured(&edge, &rest);
    // An early fan, who keeps the place while the flood runs.
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let place = fan.place();
    let flooders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let site = tidegate.site.clone();
            std::thread::spawn(move || flood(&site, JOINS / CONNECTIONS))
        })
        .collect();
    let counts: Vec<_> = flooders
        .into_iter()
        .map(|flooder| flooder.join().expect("a flooder ends"))
        .collect();
    let placed: usize = counts.iter().map(|(placed, _)| placed).sum();
    let turned_away: usize = counts.iter().map(|(_, turned_away)| turned_away).sum();
    assert_eq!(
        (placed, placed + turned_away),
        (ALLOWED - 1, JOINS),
        "the early fan was the first of {ALLOWED}"
    );
    assert_eq!(tidegate.room()["issued"], ALLOWED);
    // Claiming another address does not help. A navigation is told the same by the page, which asks again by itself.
    let elsewhere = Sent::page("/")
        .header("X-Forwarded-For", "203.0.113.7")
        .header("Forwarded", "for=203.0.113.7");
    let answer = send(&tidegate.site, &elsewhere);
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let page = answer.text();
    assert!(
        page.contains("data-state=\"joining\"") && page.contains("http-equiv=\"refresh\""),
        "{page}"
    );
    assert!(answer.cookies().is_empty(), "and nobody is anybody yet");
    let program = Sent::new("POST", "/_tidegate/rooms/drop/places").json(&serde_json::json!({}));
    super::refused(
        "a program",
        &send(&tidegate.site, &program),
        429,
        "too-many-joins",
    );
    assert!(Fan::of(&tidegate.site).socket().is_err(), "nor does a socket");
    assert_eq!(tidegate.room()["issued"], ALLOWED);
    // Who has a place is not concerned.
    fan.get("/");
    assert_eq!(fan.place(), place);
    let _socket = fan.socket().expect("the early fan is served");
}
