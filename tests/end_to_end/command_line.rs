//! The command line from outside: what it says of itself and of files, and how it ends.

mod keys;
mod start;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::binary;

const SOON: Duration = Duration::from_secs(10);

/// Runs the binary to its end, which must not be long in coming.
fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = binary();
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it can be killed");
            panic!("{args:?} did not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("its output")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn help_names_every_command_and_every_command_has_help() {
    let folder = folder();
    let help = run(folder.path(), &["--help"]);
    assert!(help.status.success() && err(&help).is_empty());
    let help = out(&help);
    let commands = help
        .split("Commands:")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .expect("commands");
    let names: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        names,
        [
            "up", "proxy", "booking", "search", "check", "keys", "rehearse", "help"
        ]
    );
    for (text, why) in [
        ("tidegate up", "what runs by default"),
        ("First steps", "an example"),
        ("TIDEGATE_", "variables"),
    ] {
        assert!(help.contains(text), "{why}: {help}");
    }
    for name in &names[..names.len() - 1] {
        let own = run(folder.path(), &[name, "--help"]);
        assert!(own.status.success(), "{name}");
        assert!(
            out(&own).contains(&format!("Usage: tidegate {name}")),
            "{name}: {}",
            out(&own)
        );
        assert_eq!(out(&run(folder.path(), &["help", name])), out(&own));
    }
    for name in ["list", "rotate", "export", "share", "adopt"] {
        assert!(
            run(folder.path(), &["keys", name, "--help"]).status.success(),
            "keys {name}"
        );
    }
    assert!(
        run(folder.path(), &["booking", "grant", "--help"])
            .status
            .success(),
        "booking grant"
    );
    assert!(out(&run(folder.path(), &["--version"])).starts_with("tidegate 0."));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert!(left.is_empty(), "asking for help leaves nothing behind: {left:?}");
}

#[test]
fn what_is_not_understood_exits_64_and_says_what_is() {
    let folder = folder();
    for (args, hint) in [
        (&["--lisen", "127.0.0.1:1"][..], "--listen"),
        (&["porxy"], "proxy"),
        (&["proxy", "--listen", "nonsense"], "--listen"),
        (&["keys"], "rotate"),
        (&["check"], "FILE"),
        (&["proxy"], "--config"),
        (&["booking"], "--config"),
        (&["proxy", "--config", "missing.toml"], "missing.toml"),
        (&["booking", "grant", "--role", "organiser"], "--username"),
        (&["simulate"], "--help"),
        (&["rehearse", "--fans", "many"], "--fans"),
    ] {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", err(&output));
        assert!(err(&output).contains(hint), "{args:?}: {}", err(&output));
        assert!(out(&output).is_empty(), "{args:?}: mistakes go to standard error");
    }
}

#[test]
fn check_reports_every_mistake_with_its_line_and_a_remedy() {
    let folder = folder();
    let file = folder.path().join("site.toml");
    let text = "[edge]\nlisten = [\"127.0.0.1\"]\nlissten = 7\n\n[[upstream]]\nname = \"shop\"\nservers = [\"127.0.0.1:80\"]\n\n\
                [[room]]\nid = \"The Drop\"\nactive_max = 0\nadmit_per_min = 60\nvisit_ttl = \"soon\"\n\n\
                [[route]]\npath = \"/**\"\nupstream = \"shpo\"\nfree = true\n\n\
                [[route]]\npath = \"/late\"\nupstream = \"shop\"\nfree = true\n";
    std::fs::write(&file, text).expect("a file");
    let output = run(folder.path(), &["check", "site.toml"]);
    assert_eq!(output.status.code(), Some(64));
    let said = err(&output);
    for (line, key) in [
        (2, "listen"),
        (3, "lissten"),
        (10, "id"),
        (11, "active_max"),
        (13, "visit_ttl"),
        (17, "upstream"),
        (20, "never match"),
    ] {
        let found = said
            .lines()
            .position(|l| l.starts_with(&format!("site.toml:{line}: ")) && l.contains(key));
        let found = found.unwrap_or_else(|| panic!("line {line}, {key}:\n{said}"));
        let remedy = said.lines().nth(found + 1).unwrap_or_default();
        assert!(
            remedy.starts_with("    ") && remedy.len() > 8,
            "line {line} has no remedy:\n{said}"
        );
    }
    assert!(said.contains("8 problems in site.toml"), "{said}");
    let started = run(folder.path(), &["proxy", "--config", "site.toml"]);
    assert_eq!(started.status.code(), Some(64), "and nothing starts on it");
    assert!(err(&started).contains("site.toml:11: "), "{}", err(&started));
    assert!(!folder.path().join("tidegate-data").exists());
}

#[test]
fn what_ships_is_good() {
    let folder = folder();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut checked = 0;
    for file in std::fs::read_dir(examples).expect("the examples").flatten() {
        let output = run(folder.path(), &["check", &file.path().display().to_string()]);
        assert!(output.status.success(), "{}", err(&output));
        assert!(out(&output).contains("good") && err(&output).is_empty());
        checked += 1;
    }
    assert!(checked >= 2);
}

#[test]
fn the_help_of_one_part_teaches_its_own_flags() {
    let folder = folder();
    let all = [
        "--listen",
        "--admin-listen",
        "--booking-listen",
        "--search-listen",
        "--chaos",
        "--store-url",
    ];
    for (part, own) in [
        ("up", &all[..]),
        ("proxy", &["--listen", "--admin-listen", "--store-url"]),
        ("booking", &["--booking-listen", "--chaos"]),
        ("search", &["--search-listen"]),
    ] {
        let help = out(&run(folder.path(), &[part, "--help"]));
        let shown: Vec<&str> = all
            .into_iter()
            .filter(|flag| help.split_whitespace().any(|word| word == *flag))
            .collect();
        assert_eq!(shown, own, "{part}\n{help}");
        assert!(help.contains("--data-dir"), "{help}");
    }
}
