//! Every form of a URL, every mistake in one, and what is shown of its password.

use super::*;

fn read(text: &str) -> StoreUrl {
    text.parse().unwrap_or_else(|bad| panic!("{text}: {bad}"))
}

fn remedy(text: &str) -> String {
    text.parse::<StoreUrl>()
        .map(|url| panic!("{text} is taken as {url}"))
        .unwrap_or_else(|bad| bad.remedy)
}

fn node(host: &str, port: u16) -> Node {
    Node {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn one_server() {
    let url = read("redis://Cache.internal");
    assert_eq!(url.deployment, Deployment::Single(node("cache.internal", 6379)));
    assert_eq!((url.tls, url.db, &url.login), (false, 0, &None));
    let url = read("rediss://edge:p%40ss%2Fw%C3%B6rd@[::1]:7000/3");
    assert_eq!(url.deployment, Deployment::Single(node("::1", 7000)));
    let login = url.login.as_ref().expect("a login");
    assert_eq!(
        (login.user.as_deref(), login.password.as_str()),
        (Some("edge"), "p@ss/wörd")
    );
    assert_eq!((url.tls, url.db), (true, 3));
    assert_eq!(url.to_string(), "rediss://edge:...@[::1]:7000/3");
    let url = read("redis://:secret@h/");
    assert_eq!(url.login.expect("a login").user, None);
    assert_eq!(
        read("redis://edge:@h").login.expect("a login").password,
        "",
        "a user may have none"
    );
}

#[test]
fn several_servers() {
    let url = read("redis-sentinel://:pw@a,b:1,c/my-master/2");
    let sentinels = vec![node("a", 26379), node("b", 1), node("c", 26379)];
    let primary = "my-master".to_owned();
    assert_eq!(url.deployment, Deployment::Sentinel { sentinels, primary });
    assert_eq!(url.db, 2);
    assert_eq!(
        url.to_string(),
        "redis-sentinel://:...@a:26379,b:1,c:26379/my-master/2"
    );
    let url = read("rediss-cluster://a,b:1/0");
    assert_eq!(
        url.deployment,
        Deployment::Cluster(vec![node("a", 6379), node("b", 1)])
    );
    assert!(url.tls);
    assert_eq!(
        read(&url.to_string()),
        url,
        "what is shown without a password is a URL"
    );
}

#[test]
fn each_mistake_has_its_remedy() {
    for (text, hint) in [
        ("127.0.0.1:6379", "whole URL"),
        ("http://h", "redis-sentinel://"),
        ("valkey://h", "write redis://"),
        ("redis+sentinel://h/m", "write redis-sentinel://"),
        ("rdis://h", "write redis://"),
        ("redis://", "host:port"),
        ("redis://h:0", "host:port"),
        ("redis://h:port", "host:port"),
        ("redis://::1", "in brackets"),
        ("redis://a,b", "redis-cluster://"),
        ("redis://secret@h", "\":password@\""),
        ("redis://:@h", "leave both out"),
        ("redis://u:a@b@h", "%40"),
        ("redis://u:a:b@h", "%3A"),
        ("redis://u:a/b@h", "%2F"),
        ("redis://u:a?b@h", "%3F"),
        ("redis://u:a%zz@h", "%25"),
        ("redis://u:%ff@h", "UTF-8"),
        ("redis://h/x", "number"),
        ("redis://h/-1", "number"),
        ("redis://h/1/2", "remove"),
        ("redis-cluster://h/1", "remove"),
        ("redis-sentinel://h", "sentinel monitor"),
        ("redis-sentinel://h/a b", "sentinel monitor"),
    ] {
        assert!(remedy(text).contains(hint), "{text}: {}", remedy(text));
    }
    let many = vec!["h"; 65].join(",");
    assert!(remedy(&format!("redis-cluster://{many}")).contains("at most 64"));
}

#[test]
fn a_password_is_never_shown() {
    let url = read("redis://edge:hunter2@h");
    assert!(!format!("{url} {url:?} {:?}", url.login).contains("hunter2"));
    for text in [
        "redis://edge:hunter2@",
        "redis://edge:hunter2",
        "redis://hunter2@h",
        "redis://:/hunter2@h",
        "redis://:a@hunter2@h",
        "redis://:%hunter2@h",
        "redis://:x@h/hunter2",
        "hunter2",
        "redis-sentinel://:x@h/hunter2 hunter2",
        "redis://:x@h?hunter2",
    ] {
        let bad = text.parse::<StoreUrl>().expect_err("it is wrong");
        assert!(!format!("{bad} {bad:?}").contains("hunter2"), "{text}: {bad}");
    }
}
