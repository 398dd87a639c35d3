//! The command line from outside: what it says, how it ends, and that nothing is left half started.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Fan, Origin, Tidegate, binary, eventually, free_port, interrupt};

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

/// Flags that let `up` run beside anything else.
fn elsewhere(site: &str) -> Vec<String> {
    let port = || format!("127.0.0.1:{}", free_port());
    let flags = [
        ("--listen", site.to_owned()),
        ("--admin-listen", port()),
        ("--booking-listen", port()),
        ("--search-listen", port()),
    ];
    flags
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect()
}

fn up(folder: &Path, site: &str, more: &[&str]) -> Output {
    let flags = elsewhere(site);
    let args: Vec<&str> = flags
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    run(folder, &args)
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
fn a_port_in_use_is_named_and_nothing_is_left_half_started() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let site = taken.local_addr().expect("its address").to_string();
    let flags = elsewhere(&site);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    for (flag, at) in [
        ("--listen", 1),
        ("--admin-listen", 3),
        ("--booking-listen", 5),
        ("--search-listen", 7),
    ] {
        let mut args = flags.clone();
        let free = format!("127.0.0.1:{}", free_port());
        args[1] = &free;
        args[at] = &site;
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1), "{flag}: {}", err(&output));
        let said = err(&output);
        assert!(
            said.contains(&site) && said.contains(flag),
            "{flag}: the address and what to do: {said}"
        );
        assert!(
            !said.contains("panicked") && !out(&output).contains("is up"),
            "{flag}: {said}"
        );
        // Nothing listens on any of the others.
        for address in args.iter().filter(|arg| arg.starts_with("127.") && **arg != site) {
            assert!(
                std::net::TcpStream::connect(address).is_err(),
                "{flag}: {address} still listens"
            );
        }
    }
    drop(taken);
    let listed = run(folder.path(), &["keys", "list"]);
    assert!(
        listed.status.success() || err(&listed).contains("no keys"),
        "{}",
        err(&listed)
    );
}

#[test]
fn an_unusable_data_directory_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "here already").expect("a file");
    let site = format!("127.0.0.1:{}", free_port());
    let output = up(folder.path(), &site, &["--data-dir", "file/data"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = err(&output);
    assert!(
        said.contains("file/data") && said.contains("--data-dir"),
        "{said}"
    );
    assert!(!out(&output).contains("is up"));
}

#[test]
fn a_bad_key_file_is_named_and_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let data = folder.path().join("tidegate-data");
    std::fs::create_dir(&data).expect("a directory");
    let file = data.join("keys.json");
    let site = format!("127.0.0.1:{}", free_port());
    for (text, mode, why) in [
        ("{\"keys\": [{\"kid\": \"abc\", \"made_", 0o600, "damaged"),
        ("", 0o600, "damaged"),
        ("{\"keys\": []}", 0o600, "damaged"),
        ("{\"keys\": []}", 0o644, "chmod 600"),
    ] {
        std::fs::write(&file, text).expect("a key file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode");
        let output = up(folder.path(), &site, &[]);
        assert_eq!(output.status.code(), Some(1), "{text:?}: {}", err(&output));
        let said = err(&output);
        assert!(
            said.contains("keys.json") && said.contains(why),
            "{text:?}: {said}"
        );
        assert_eq!(
            std::fs::read_to_string(&file).expect("still there"),
            text,
            "a file that may be mended is kept"
        );
        let listed = run(folder.path(), &["keys", "list"]);
        assert_eq!(listed.status.code(), Some(1), "{text:?}");
    }
}

#[test]
fn a_second_process_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let origin = Origin::start();
    let tidegate = Tidegate::proxy(origin.address, "active_max = 2\nadmit_per_min = 600");
    let mut command_line = vec!["proxy", "--config", "tidegate.toml"];
    let (site, admin) = (
        format!("127.0.0.1:{}", free_port()),
        format!("127.0.0.1:{}", free_port()),
    );
    command_line.extend(["--listen", &site, "--admin-listen", &admin]);
    let output = run(tidegate.folder.path(), &command_line);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        err(&output).contains("in use") && err(&output).contains("data"),
        "{}",
        err(&output)
    );
    assert!(
        Fan::of(&tidegate.site).get("/").text().contains("Welcome"),
        "the first one serves on"
    );
}

/// The `kid` of a token.
fn kid(token: &str) -> String {
    use base64::Engine;
    let head = token.split('.').next().expect("a header");
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(head)
        .expect("base64url");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    head["kid"].as_str().expect("a kid").to_owned()
}

#[test]
fn keys_rotate_under_a_running_edge_and_nobody_is_logged_out() {
    let origin = Origin::start();
    let tidegate = Tidegate::proxy(
        origin.address,
        "active_max = 1\nadmit_per_min = 600\nvisit_ttl = \"1m\"",
    );
    let keys = |what: &str| {
        let output = run(
            tidegate.folder.path(),
            &["keys", what, "--config", "tidegate.toml"],
        );
        assert!(output.status.success(), "keys {what}: {}", err(&output));
        out(&output)
    };
    let mut inside = Fan::of(&tidegate.site);
    assert!(inside.get("/").text().contains("Welcome"));
    let mut fan = Fan::of(&tidegate.site);
    fan.get("/");
    let place = fan.place().expect("a place");
    let old = kid(&fan.cookies["tidegate_place_drop"]);
    assert!(
        keys("list")
            .lines()
            .any(|line| line.starts_with(&old) && line.ends_with("signs"))
    );

    let said = keys("rotate");
    let new = said.split_whitespace().next().expect("a key id").to_owned();
    assert_ne!(new, old);
    let list = keys("list");
    assert!(
        list.lines()
            .any(|line| line.starts_with(&new) && line.ends_with("signs")),
        "{list}"
    );
    assert!(
        list.lines()
            .any(|line| line.starts_with(&old) && line.ends_with("verifies")),
        "{list}"
    );
    let exported: Value = serde_json::from_str(&keys("export")).expect("a JWK set");
    let kids: Vec<&str> = exported["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    assert_eq!(kids, [&*new, &*old]);
    assert!(
        exported["keys"]
            .as_array()
            .is_some_and(|keys| keys.iter().all(|key| key["d"].is_null() && key["x"].is_string()))
    );

    eventually("new tokens are signed with the new key", SOON, || {
        let mut late = Fan::of(&tidegate.site);
        late.get("/");
        (kid(&late.cookies["tidegate_place_drop"]) == new).then_some(())
    });
    let served = crate::support::send(
        &tidegate.site,
        &crate::support::Sent::new("GET", "/_tidegate/jwks.json"),
    );
    assert_eq!(served.json(), exported, "origins are told the same");
    fan.get("/");
    assert_eq!(fan.place(), Some(place), "a place survives");
    assert!(inside.get("/").text().contains("Welcome"), "and a visit");
    let mode = {
        use std::os::unix::fs::PermissionsExt;
        let file = tidegate.folder.path().join("data/keys.json");
        std::fs::metadata(file)
            .expect("the key file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode, 0o600);
}

#[test]
fn listing_keys_makes_none() {
    let folder = folder();
    for what in ["list", "rotate", "export", "share"] {
        let output = run(folder.path(), &["keys", what]);
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(
            err(&output).contains("no keys") && err(&output).contains("--data-dir"),
            "{}",
            err(&output)
        );
    }
    assert!(!folder.path().join("tidegate-data").exists());
}

#[test]
fn up_says_where_everything_is_and_what_to_try_and_stops_on_ctrl_c() {
    let folder = folder();
    let site = format!("127.0.0.1:{}", free_port());
    let flags = elsewhere(&site);
    let log = std::fs::File::create(folder.path().join("said")).expect("a file");
    let mut command = binary();
    command
        .args(&flags)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary starts");
    let said = || std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    let text = eventually("it says that it is up", Duration::from_secs(60), || {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended: {}",
            said()
        );
        said().contains("moving line").then(&said)
    });
    for address in flags.iter().filter(|flag| flag.starts_with("127.")) {
        assert!(text.contains(&**address), "{address} in\n{text}");
    }
    assert!(
        text.contains("token") && text.contains("tidegate rehearse --url"),
        "{text}"
    );
    assert!(folder.path().join("tidegate-data").is_dir());
    let page = eventually("the site answers", SOON, || {
        let page = Fan::of(&site).get("/");
        (page.status == 200).then_some(page)
    });
    assert!(page.text().contains("<html"), "{}", page.text());
    interrupt(&child);
    let status = eventually("it stops", Duration::from_secs(20), || {
        child.try_wait().expect("a child")
    });
    assert_eq!(status.code(), Some(0));
}
