//! A clock that jumps: the machine's time is set an hour forward and two back while fans wait and visit.
//!
//! The process is given a `clock_gettime` whose real time can be moved, compiled here with the C compiler that the
//! build needs anyway. The monotonic clock runs on, as it does when an operator sets the time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{LINE, ROOM, SOON, admitted, inside, line};
use crate::support::{Fan, Origin, Sent, Tidegate, claims};

const SHIFTED_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("TEST_CLOCK_SHIFT");
    if (result == 0 && clock == CLOCK_REALTIME && path) {
        FILE *file = fopen(path, "r");
        long seconds = 0;
        if (file) {
            if (fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
            fclose(file);
        }
    }
    return (int)result;
}
"#;

fn compile(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, SHIFTED_CLOCK).expect("a source file");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .output();
    let compiled = compiled.expect("the C compiler that the build needs");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    library
}

#[test]
fn the_line_does_not_notice_that_the_time_was_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let (library, shift) = (compile(folder.path()), folder.path().join("shift"));
    let set = |seconds: i64| {
        let next = folder.path().join("next");
        std::fs::write(&next, seconds.to_string())
            .and_then(|()| std::fs::rename(&next, &shift))
            .expect("a shift");
    };
    set(0);
    let origin = Origin::start();
    let rest = format!(
        "[[upstream]]\nname = \"shop\"\nservers = [\"{}\"]\n\n[[room]]\nid = \"drop\"\n{ROOM}\n\n\
         [[route]]\npath = \"/**\"\nupstream = \"shop\"\nroom = \"drop\"\n",
        origin.address
    );
    let env = [
        ("LD_PRELOAD", library.as_path()),
        ("TEST_CLOCK_SHIFT", shift.as_path()),
    ];
    let mut tidegate = Tidegate::configured("", &rest, &env);
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
        set(seconds);
        std::thread::sleep(Duration::from_millis(1_500));
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
    set(-7_200);
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
