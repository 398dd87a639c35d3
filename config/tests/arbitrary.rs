//! Whatever the text, reading it ends in a configuration that keeps its promises or in problems that help.

use std::path::Path;

use proptest::prelude::*;
use tidegate_config::{Auth, Guard, examples, parse};

/// Reads a text and checks what came out.
fn judge(text: &str) {
    match parse(text, "test", Path::new("/nowhere")) {
        Err(problems) => {
            assert!(!problems.list.is_empty());
            let lines = text.matches('\n').count() + 1;
            for problem in &problems.list {
                assert!(
                    problem.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{problem:?} of {lines}"
                );
                assert!(
                    !problem.message.is_empty() && !problem.remedy.is_empty(),
                    "{problem:?}"
                );
            }
            let shown = problems.to_string();
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        }
        Ok(config) => {
            assert!(!config.edge.listen.is_empty());
            assert!(config.edge.prefix.starts_with('/') && config.edge.prefix.ends_with('/'));
            for room in &config.rooms {
                assert!(room.active_max >= 1 && room.visit_ttl <= room.visit_max);
            }
            for route in &config.routes {
                assert!(
                    config
                        .upstreams
                        .iter()
                        .any(|upstream| upstream.name == route.upstream)
                );
                if let Guard::Room(id) = &route.guard {
                    assert!(config.rooms.iter().any(|room| room.id == *id));
                }
                assert!(route.auth == Auth::None || config.users.is_some());
            }
            if let Some(booking) = &config.booking {
                assert!(!booking.require_admission || booking.jwks_url.is_some());
            }
        }
    }
}

/// A line that a file might have: a known header or key with some value or none that fits.
fn line() -> impl Strategy<Value = String> {
    let headers = prop::sample::select(vec![
        "[edge]",
        "[edge.tls]",
        "[store]",
        "[[upstream]]",
        "[[room]]",
        "[room]",
        "[room.page]",
        "[room.page.texts.es]",
        "[[route]]",
        "[users]",
        "[booking]",
        "[search]",
        "[[edge]]",
        "[other]",
    ]);
    let keys = prop::sample::select(vec![
        "listen",
        "admin_listen",
        "prefix",
        "trusted_proxies",
        "sockets_max",
        "drain_within",
        "name",
        "servers",
        "id",
        "mode",
        "active_max",
        "admit_per_min",
        "visit_ttl",
        "visit_max",
        "waiting_status",
        "notice",
        "accent",
        "path",
        "hosts",
        "methods",
        "headers",
        "upstream",
        "room",
        "free",
        "auth",
        "login_path",
        "cookie",
        "keys_ttl",
        "database_url",
        "require_admission",
        "jwks_url",
        "catalogue_url",
        "url",
        "tls_ca",
        "redis_tls_ca",
        "max_replica_lag",
        "texts.es",
        "\"a\\u001bb\"",
    ]);
    let values = prop_oneof![
        prop::sample::select(vec![
            "1",
            "0",
            "-1",
            "0xFFFFFFFFFFFFFFFFFFFFFFFF",
            "1.5",
            "nan",
            "true",
            "false",
            "[]",
            "{}",
            "[[]]",
            "''",
            "'drop'",
            "'a'",
            "'/**'",
            "'/a'",
            "'5m'",
            "'1y'",
            "'127.0.0.1:1'",
            "['127.0.0.1:1']",
            "['GET']",
            "'auto'",
            "'user'",
            "1979-05-27",
            "{ x = true }",
            "['a.com']",
            "'#fff'",
            "'http://a/b'",
            "'sqlite:a'",
            "'redis://a:b@c/1'",
            "'redis-sentinel://a,b/c'",
            "'99999999999999999y'",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| format!("{text:?}")),
        any::<String>(),
    ];
    prop_oneof![
        1 => headers.prop_map(str::to_owned),
        3 => (keys, values).prop_map(|(key, value)| format!("{key} = {value}")),
    ]
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        judge(&text);
    }

    #[test]
    fn any_lines(lines in prop::collection::vec(line(), 0..40)) {
        judge(&lines.join("\n"));
    }

    /// What ships, with lines left out, doubled or put elsewhere, and a bit of one of them replaced.
    #[test]
    fn the_example_after_an_accident(
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
        at in any::<prop::sample::Index>(),
        len in 0usize..6,
        bit in "[ -~\n]{0,4}",
    ) {
        let mut lines: Vec<&str> = examples::UP.lines().filter(|line| !line.starts_with('#')).collect();
        for (from, to) in picks {
            let line = lines.remove(from.index(lines.len()));
            if to.index(3) > 0 {
                lines.insert(to.index(lines.len()), line);
            }
        }
        let mut text = lines.join("\n");
        let start = at.index(text.len());
        let end = (start + len).min(text.len());
        text.replace_range(start..end, &bit);
        judge(&text);
    }
}
