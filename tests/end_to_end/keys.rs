//! Key rings handed from one edge to another, and what stands in the way of losing or leaking one.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Output, Stdio};

use crate::support::{Fan, Origin, Tidegate, binary};

/// Runs `tidegate keys` on a data directory, with `input` on its standard input.
fn keys(data: &Path, args: &[&str], input: &str) -> Output {
    let mut command = binary();
    command
        .arg("keys")
        .args(args)
        .arg("--data-dir")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // Who reads nothing closes the pipe.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(output: Output) -> String {
    assert!(output.status.success(), "{}", err(&output));
    out(&output)
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o777
}

/// A data directory with a ring of its own, taken over from an edge that made it.
fn with_a_ring(origin: &Origin) -> (tempfile::TempDir, String) {
    let tidegate = Tidegate::proxy(origin.address, "active_max = 2\nadmit_per_min = 600");
    let ring = good(keys(&tidegate.folder.path().join("data"), &["share"], ""));
    let folder = tempfile::tempdir().expect("a folder");
    good(keys(folder.path(), &["adopt"], &ring));
    (folder, ring)
}

#[test]
fn a_fan_of_one_edge_is_known_to_another_that_adopted_its_keys() {
    let origin = Origin::start();
    let room = "active_max = 1\nadmit_per_min = 600";
    let (one, other) = (
        Tidegate::proxy(origin.address, room),
        Tidegate::proxy(origin.address, room),
    );
    assert!(Fan::of(&one.site).get("/").text().contains("Welcome"));
    let mut fan = Fan::of(&one.site);
    fan.get("/");
    let card = &fan.cookies["tidegate_place_drop"];
    let kid = |list: &str| list.split_whitespace().next().expect("a key").to_owned();
    let (from, to) = (one.folder.path().join("data"), other.folder.path().join("data"));
    let shared = keys(&from, &["share"], "");
    assert!(
        err(&shared).contains("can forge") && !err(&shared).contains("pkcs8"),
        "{}",
        err(&shared)
    );
    let ring = good(shared);
    let refused = keys(&to, &["adopt"], &ring);
    assert_eq!(refused.status.code(), Some(1), "the other has a ring of its own");
    assert!(
        err(&refused).contains("--replace") && err(&refused).contains("worthless"),
        "{}",
        err(&refused)
    );
    let said = good(keys(&to, &["adopt", "--replace"], &ring));
    assert!(said.contains("signs at"), "{said}");
    let list = good(keys(&to, &["list"], ""));
    assert_eq!(list, good(keys(&from, &["list"], "")), "one ring");
    assert_eq!(kid(&said), kid(list.lines().nth(1).expect("a key")));
    assert_eq!(mode(&to.join("keys.json")), 0o600);

    // The running edge follows by itself: what it signs carries the other's key.
    let head = |token: &str| token.split('.').next().map(str::to_owned);
    crate::support::eventually(
        "the edge signs with the adopted key",
        std::time::Duration::from_secs(10),
        || {
            let mut late = Fan::of(&other.site);
            late.get("/");
            let token = late.cookies.get("tidegate_place_drop")?.clone();
            (head(&token) == head(card)).then_some(())
        },
    );
}

#[test]
fn a_ring_that_only_grew_replaces_the_older_one_without_a_word_more() {
    let origin = Origin::start();
    let ((one, ring), other) = (with_a_ring(&origin), tempfile::tempdir().expect("a folder"));
    let nested = other.path().join("not/there/yet");
    let file = other.path().join("ring.json");
    std::fs::write(&file, &ring).expect("a file");
    let file = file.display().to_string();
    good(keys(&nested, &["adopt", &file], ""));
    let again = good(keys(&nested, &["adopt", "-"], &ring));
    assert!(again.contains("already"), "{again}");
    good(keys(one.path(), &["rotate"], ""));
    let grown = good(keys(one.path(), &["share"], ""));
    let said = good(keys(&nested, &["adopt"], &grown));
    assert!(said.contains("1 older ones verify"), "{said}");
    let back = keys(&nested, &["adopt"], &ring);
    assert_eq!(back.status.code(), Some(1), "the newer key would be lost");
    assert!(err(&back).contains("--replace"), "{}", err(&back));
    assert_eq!(good(keys(&nested, &["share"], "")), grown, "and nothing changed");
}

#[test]
fn half_a_ring_changes_nothing_and_shows_no_secret() {
    let origin = Origin::start();
    let (folder, ring) = with_a_ring(&origin);
    let secret = ring
        .split("\"secret\": \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a secret");
    let pair = ring
        .split("\"pkcs8\": \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a key pair");
    let cases = [
        (String::new(), "not the expected JSON"),
        (ring[..ring.len() / 2].to_owned(), "not the expected JSON"),
        (format!("{ring}{ring}"), "not the expected JSON"),
        ("{\"keys\": []}".to_owned(), "no key in it"),
        (ring.replace(pair, secret), "key \""),
        (ring.replace(secret, &secret[..8]), "key \""),
        (ring.replace("\"kid\"", "\"kidd\""), "not the expected JSON"),
        (" ".repeat(65 * 1024), "larger than any keys"),
    ];
    let before = std::fs::read(folder.path().join("keys.json")).expect("a ring");
    for (text, why) in cases {
        for extra in [&["adopt"][..], &["adopt", "--replace"]] {
            let output = keys(folder.path(), extra, &text);
            let said = err(&output);
            assert_eq!(output.status.code(), Some(1), "{why}: {said}");
            assert!(
                said.contains("standard input") && said.contains(why) && said.contains("keys share"),
                "{why}: {said}"
            );
            assert!(!said.contains(secret) && !said.contains(pair), "{said}");
        }
    }
    let missing = keys(folder.path(), &["adopt", "none.json"], "");
    assert!(err(&missing).contains("none.json"), "{}", err(&missing));
    let after = std::fs::read(folder.path().join("keys.json")).expect("a ring");
    assert_eq!(before, after);
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing half written is left: {left:?}");
}

#[test]
fn what_a_crash_left_behind_opens_the_keys_to_nobody() {
    let origin = Origin::start();
    let (_, ring) = with_a_ring(&origin);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(folder.path().join("keys.next"))
        .expect("a file of a crash");
    good(keys(folder.path(), &["adopt"], &ring));
    assert_eq!(mode(&folder.path().join("keys.json")), 0o600);
}

/// `script` of util-linux gives a command a terminal.
#[test]
fn secrets_are_not_shown_on_a_screen() {
    let origin = Origin::start();
    let (folder, _) = with_a_ring(&origin);
    let shown = |more: &str| {
        let program = binary().get_program().to_string_lossy().into_owned();
        let line = format!(
            "{program} keys share --data-dir {} {more}",
            folder.path().display()
        );
        let output = std::process::Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .expect("script is part of every Linux");
        (output.status.code(), out(&output))
    };
    let (code, said) = shown("");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--force") && !said.contains("pkcs8"), "{said}");
    let (code, said) = shown("--force");
    assert!(
        code == Some(0) && said.contains("pkcs8") && said.contains("can forge"),
        "{said}"
    );
}
