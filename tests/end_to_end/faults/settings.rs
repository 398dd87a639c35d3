//! Edges whose files differ: the store's settings are in force at all, and the log says where they come from.

use crate::many_edges::open;
use crate::support::{Origin, Proxy, RedisServer, Tidegate};

const SAYS: &str = "the store's settings";

#[test]
fn the_store_s_settings_win_over_a_file_and_the_log_says_so() {
    let (origin, redis) = (Origin::start(), RedisServer::start());
    let mut site: Vec<Tidegate> = Vec::new();
    for active_max in [7, 9, 7] {
        let proxy = Proxy {
            room: format!("mode = \"on\"\nactive_max = {active_max}\nadmit_per_min = 600"),
            store: Some(redis.url()),
            keys: site.first().map(Tidegate::key_file),
            ..Proxy::default()
        };
        site.push(Tidegate::start(origin.address, &proxy));
    }
    open(&site);
    for edge in &site {
        assert_eq!(edge.room()["active_max"], 7);
    }
    assert!(site[1].log().contains(SAYS), "{}", site[1].log());
    for same in [&site[0], &site[2]] {
        assert!(!same.log().contains(SAYS), "a file that agrees: {}", same.log());
    }
}
