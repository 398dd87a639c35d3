//! `[store]`: where the line lives, and what a file may not say about it.

use std::path::Path;
use std::time::Duration;

use tidegate_config::{Config, Deployment, Problems, Store, parse};

const REST: &str = "[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:1']\n[[route]]\npath = '/**'\nupstream = 'a'\nfree = true\n";

fn read(store: &str) -> Result<Config, Problems> {
    parse(
        &format!("{store}\n{REST}"),
        "test.toml",
        Path::new(env!("CARGO_MANIFEST_DIR")),
    )
}

fn problem(store: &str) -> (Option<usize>, String, String) {
    let problems = read(store).expect_err("it is wrong");
    assert_eq!(problems.list.len(), 1, "{problems}");
    let problem = &problems.list[0];
    (problem.line, problem.key.clone(), problem.remedy.clone())
}

#[test]
fn left_out_or_empty_it_is_embedded() {
    for store in ["", "[store]"] {
        let config = read(store).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.store, Store::Embedded);
    }
}

#[test]
fn a_url_puts_the_line_into_redis() {
    let store = "[store]\nurl = 'redis-sentinel://edge:hunter2@a,b/drop'\nmax_replica_lag = '3s'";
    let config = read(store).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let Store::Redis(store) = config.store else {
        panic!("it is embedded");
    };
    assert_eq!(store.max_replica_lag, Duration::from_secs(3));
    assert_eq!(store.url.login.expect("a login").password, "hunter2");
    assert!(matches!(store.url.deployment, Deployment::Sentinel { sentinels, .. } if sentinels.len() == 2));
    let Ok(config) = read("[store]\nurl = 'redis://h'") else {
        panic!("this is enough");
    };
    assert!(matches!(config.store, Store::Redis(store) if store.max_replica_lag == Duration::from_secs(1)));
    let Ok(config) = read("[store]\nurl = 'redis-cluster://h'") else {
        panic!("this is enough");
    };
    assert!(matches!(config.store, Store::Redis(store) if store.max_replica_lag == Duration::from_secs(10)));
}

#[test]
fn keys_without_a_url_or_without_a_use_are_problems() {
    let (line, key, remedy) = problem("[store]\nmax_replica_lag = '3s'");
    assert_eq!((line, key.as_str()), (Some(1), "store"));
    assert!(remedy.contains("url = \"redis://127.0.0.1:6379\""), "{remedy}");
    let folder = tempfile::tempdir().expect("a folder");
    let pem = folder.path().join("ca.pem");
    std::fs::write(
        &pem,
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
    )
    .expect("a file");
    let with = |scheme: &str| format!("[store]\nurl = '{scheme}://h'\ntls_ca = '{}'", pem.display());
    let (line, key, remedy) = problem(&with("redis"));
    assert_eq!((line, key.as_str()), (Some(3), "store.tls_ca"));
    assert!(remedy.contains("rediss"), "{remedy}");
    let config = read(&with("rediss")).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(matches!(config.store, Store::Redis(store) if store.tls_ca.as_deref() == Some(&*pem)));
}

#[test]
fn booking_s_redis_has_authorities_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let pem = folder.path().join("ca.pem");
    std::fs::write(
        &pem,
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
    )
    .expect("a file");
    let with = |url: &str| {
        format!(
            "[booking]\nrequire_admission = false\n{url}\nredis_tls_ca = '{}'",
            pem.display()
        )
    };
    let (line, key, remedy) = problem(&with("redis_url = 'redis://h'"));
    assert_eq!((line, key.as_str()), (Some(4), "booking.redis_tls_ca"));
    assert!(remedy.contains("rediss"), "{remedy}");
    let (_, key, remedy) = problem(&with(""));
    assert_eq!(key, "booking");
    assert!(remedy.contains("redis_url"), "{remedy}");
    let text = with("redis_url = 'rediss://h'");
    let config = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let redis = config.booking.expect("a booking service").redis.expect("a Redis");
    assert_eq!(redis.tls_ca.as_deref(), Some(&*pem));
}
