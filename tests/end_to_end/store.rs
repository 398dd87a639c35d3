//! The store of a configuration: looked at by `check --live`, named by a flag or a variable, never shown with its password.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::support::{Edge, Fan, Origin, RedisServer, Tidegate, binary, edges, eventually};

const SITE: &str = "[[upstream]]\nname = \"shop\"\nservers = [\"127.0.0.1:80\"]\n\n\
                    [[route]]\npath = \"/**\"\nupstream = \"shop\"\nfree = true\n";

const SOON: Duration = Duration::from_secs(10);
/// A line that was lost lets nobody in before its reserve has ended.
const LOSS: Duration = Duration::from_secs(60);

/// A folder with `site.toml`, whose store is `url`.
fn site(url: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = url.map_or(String::new(), |url| format!("[store]\nurl = \"{url}\"\n\n"));
    std::fs::write(folder.path().join("site.toml"), format!("{store}{SITE}")).expect("a file");
    folder
}

fn run(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    binary()
        .args(args)
        .envs(env.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn live(folder: &Path, env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = run(folder, &["check", "--live", "site.toml"], env);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_store_is_looked_at_only_when_that_is_asked_for() {
    let redis = RedisServer::start();
    let folder = site(Some(&redis.url()));
    let (code, said, wrong) = live(folder.path(), &[]);
    assert_eq!((code, wrong.as_str()), (Some(0), ""), "{said}");
    assert!(
        said.contains(&format!("{}: can hold a line", redis.url())),
        "{said}"
    );
    redis.kill();
    let (code, _, wrong) = live(folder.path(), &[]);
    assert!(code == Some(64) && wrong.contains("out of reach"), "{wrong}");
    let alone = run(folder.path(), &["check", "site.toml"], &[]);
    assert!(alone.status.success(), "a file is good while its store is away");
    let (code, said, _) = live(site(None).path(), &[]);
    assert!(code == Some(0) && said.contains("no store to look at"), "{said}");
}

#[test]
fn every_finding_is_shown_with_its_remedy() {
    let redis = RedisServer::start();
    redis.command::<()>(&[
        "CONFIG",
        "SET",
        "maxmemory",
        "100mb",
        "maxmemory-policy",
        "allkeys-lru",
    ]);
    let folder = site(Some("redis://nobody.invalid"));
    let url = redis.url();
    let (code, said, wrong) = live(folder.path(), &[("TIDEGATE_STORE_URL", &url)]);
    assert_eq!(code, Some(64), "{wrong}");
    assert!(
        said.contains("good") && !said.contains("can hold"),
        "the file is: {said}"
    );
    assert!(
        wrong.starts_with(&format!("{url}: ")) && wrong.contains("set it to noeviction"),
        "{wrong}"
    );
    redis.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);

    let replica = RedisServer::start();
    let port = redis.address().port().to_string();
    replica.command::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    eventually("a replica", Duration::from_secs(20), || {
        (redis.info("replication").get("connected_slaves")?.as_str() == "1").then_some(())
    });
    let (code, said, wrong) = live(folder.path(), &[("TIDEGATE_STORE_URL", &url)]);
    assert!(code == Some(0) && said.contains("can hold a line"), "{wrong}");
    assert!(
        wrong.contains("warning: min-replicas-to-write is 0") && wrong.contains("max_replica_lag"),
        "{wrong}"
    );
}

#[test]
fn a_password_is_shown_nowhere() {
    let redis = RedisServer::start();
    redis.command::<()>(&["ACL", "SETUSER", "edge", "on", ">sesame", "~*", "+@all"]);
    let folder = site(None);
    let with = |login: &str| redis.url().replace("redis://", &format!("redis://{login}@"));
    let (code, said, wrong) = live(folder.path(), &[("TIDEGATE_STORE_URL", &with("edge:sesame"))]);
    assert!(code == Some(0) && said.contains("edge:...@"), "{said}{wrong}");
    assert!(!format!("{said}{wrong}").contains("sesame"), "{said}{wrong}");
    let (code, said, wrong) = live(folder.path(), &[("TIDEGATE_STORE_URL", &with("edge:hunter2"))]);
    assert!(code == Some(64) && wrong.contains("store.url"), "{wrong}");
    assert!(!format!("{said}{wrong}").contains("hunter2"), "{said}{wrong}");
    // One that is no URL, from each of the three places.
    let bad = "redis://hunter2@h";
    let outputs = [
        run(
            folder.path(),
            &["proxy", "--config", "site.toml", "--store-url", bad],
            &[],
        ),
        run(
            folder.path(),
            &["proxy", "--config", "site.toml"],
            &[("TIDEGATE_STORE_URL", bad)],
        ),
        run(site(Some(bad)).path(), &["proxy", "--config", "site.toml"], &[]),
    ];
    for (output, place) in outputs
        .iter()
        .zip(["--store-url", "TIDEGATE_STORE_URL", "site.toml:2"])
    {
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(
            said.contains(place) && said.contains("no password") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn a_start_says_where_the_line_is_and_not_the_password() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    redis.command::<()>(&["CONFIG", "SET", "requirepass", "hunter2"]);
    let address = redis.url().replace("redis://", "");
    let room = "active_max = 2\nadmit_per_min = 60";
    let shared = edges(
        origin.address,
        room,
        &[Edge::on(format!("redis://:hunter2@{address}"))],
    );
    let said = shared[0].log();
    let line = format!("  line      in redis://:...@{address}\n");
    assert!(said.contains(&line) && !said.contains("hunter2"), "{said}");
    let alone = Tidegate::proxy(origin.address, room).log();
    assert!(alone.contains("  line      in this process"), "{alone}");
}

#[test]
fn somebody_elses_keys_in_the_way_are_named_and_let_nobody_through() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let room = "mode = \"on\"\nactive_max = 50\nadmit_per_min = 6000";
    let shared = edges(origin.address, room, &[Edge::on(redis.url())]);
    let enter = |fan: &mut Fan| {
        fan.get("/");
        let admitted = fan.socket().expect("a socket").answer_until_admitted(LOSS);
        fan.enter(&admitted, "/");
        assert!(fan.has_visit());
    };
    let mut before = Fan::of(&shared[0].site);
    enter(&mut before);
    redis.command::<()>(&["DEL", "tidegate:{drop}:visits"]);
    redis.command::<()>(&["SET", "tidegate:{drop}:visits", "mine"]);
    let mut fan = Fan::of(&shared[0].site);
    let said = eventually("the log names the remedy", SOON, || {
        fan.get("/");
        assert!(!fan.has_visit(), "nobody is let through by it");
        let said = shared[0].log();
        said.contains("remove what is not Tidegate's").then_some(said)
    });
    assert!(
        said.contains("WRONGTYPE") && said.contains("tidegate:*"),
        "{said}"
    );
    assert_eq!(before.get("/").status, 200, "whoever is inside goes on");
    // The key that is checked in passing is named by the look at the store, too.
    let folder = site(Some(&redis.url()));
    let file = folder.path().join("site.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let guarded = text.replace("free = true", "room = \"drop\"");
    let room = "[[room]]\nid = \"drop\"\nactive_max = 50\nadmit_per_min = 6000\n";
    std::fs::write(&file, format!("{guarded}\n{room}")).expect("a file");
    let (code, _, said) = live(folder.path(), &[]);
    assert!(
        code == Some(64) && said.contains("tidegate:{drop}:visits is somebody else's"),
        "{said}"
    );
    redis.command::<()>(&["DEL", "tidegate:{drop}:visits"]);
    enter(&mut Fan::of(&shared[0].site));
}
