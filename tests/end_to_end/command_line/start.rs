//! What a start says, what stands in its way, and that nothing is left half started.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use super::{SOON, err, folder, out, run};
use crate::support::{Fan, Origin, Tidegate, binary, eventually, free_port, interrupt};

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
    let left = folder.path().join("tidegate-data");
    assert!(!left.exists(), "nothing was written: {left:?}");
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
