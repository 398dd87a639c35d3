//! A clock that jumps: the machine's time is set an hour forward and two back while fans wait and visit.

use super::{LINE, ROOM, SOON, admitted, inside, line};
use crate::support::{Fan, Origin, Proxy, Sent, ShiftedClock, Tidegate, claims};

#[test]
fn the_line_does_not_notice_that_the_time_was_set() {
    let clock = ShiftedClock::right();
    let origin = Origin::start();
    let proxy = Proxy {
        room: ROOM.to_owned(),
        env: clock.variables(),
        ..Proxy::default()
    };
    let mut tidegate = Tidegate::start(origin.address, &proxy);
    let mut visitor = inside(&tidegate.site);
    let (mut entering, frame) = admitted(&tidegate.site);
    let mut fan = Fan::of(&tidegate.site);
    let mut frames = fan.socket().expect("a socket");
    frames.until("called", SOON);
    let place = fan.place();
    let issued_at = |origin: &Origin| {
        let seen = origin.seen().pop().expect("a request");
        let header = seen.iter().find_map(|line| {
            line.to_ascii_lowercase()
                .starts_with("tidegate-assertion:")
                .then(|| line.clone())
        });
        let token = header
            .expect("an assertion")
            .split_once(": ")
            .expect("a value")
            .1
            .to_owned();
        claims(&token)["iat"].as_i64().expect("a time")
    };
    let first = issued_at(&origin);
    for seconds in [3_600, -3_600] {
        let before = line(&tidegate);
        clock.set(seconds);
        tidegate.until_ticked(2);
        assert_eq!(line(&tidegate), before, "{seconds} s moved the line");
        assert!(
            visitor.get("/").text().contains("Welcome"),
            "a visit goes on after {seconds} s"
        );
        fan.get("/");
        assert_eq!(fan.place(), place, "a place is kept after {seconds} s");
    }
    assert_eq!(entering.enter(&frame, "/").status, 303, "a turn is kept as well");
    let (mut new, _) = {
        assert_eq!(
            visitor
                .send(Sent::new("DELETE", &format!("{LINE}/visits/me")))
                .status,
            204
        );
        frames.say("here");
        let frame = frames.until("admitted", SOON);
        assert_eq!(fan.enter(&frame, "/").status, 303, "the line moves on");
        (fan, frame)
    };
    assert!(new.get("/").text().contains("Welcome"));
    let now = issued_at(&origin);
    assert!(
        now < first - 3_000,
        "the process saw the time that was set: {first}, then {now}"
    );
    // A restart in a time long before the one that was written down begins a new epoch, behind the old one's places.
    assert_eq!(tidegate.room()["active"], 2);
    clock.set(-7_200);
    tidegate.kill_and_restart();
    assert_eq!(tidegate.room()["active"], 2, "no visit is lost and none is added");
    assert!(
        new.get("/").text().contains("Welcome"),
        "who is inside stays inside"
    );
    let mut late = Fan::of(&tidegate.site);
    late.get("/");
    assert!(late.place() > place, "{:?} is after {place:?}", late.place());
}
