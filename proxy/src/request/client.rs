//! Who is asking: the client's address and scheme behind the proxies we trust, and nobody else's word for it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::headers::{X_FORWARDED_FOR, X_FORWARDED_PROTO, list};

/// Most hops read from `X-Forwarded-For`, from the right. More proxies of one's own than this is a loop.
const HOPS_MAX: usize = 16;

/// Whether an address belongs to one of the networks. IPv4 in IPv6 clothes counts as IPv4.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// The address a request came from: the peer's, unless that is a trusted proxy; then the rightmost address of
/// `X-Forwarded-For` that is not one. What stands further left was written by the client and proves nothing; a word
/// that is no address ends the search at the last hop that vouched for itself.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let lines = headers.get_all(X_FORWARDED_FOR);
    let from_the_right = lines
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for hop in from_the_right.take(HOPS_MAX) {
        let Some(address) = parse_hop(hop.trim()) else {
            break;
        };
        client = address;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

/// An address with or without port, bracketed or not.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    bare.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

/// Whether the client speaks TLS: to us, or to a trusted proxy that says so. Of several values the last counts, being
/// the word of the proxy next to us.
pub fn is_secure(tls: bool, peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    tls || (is_trusted(peer, trusted)
        && list(headers, &X_FORWARDED_PROTO)
            .last()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (X_FORWARDED_FOR, line.parse().expect("value")))
            .collect()
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .map(|n| n.parse().expect("net"))
            .to_vec();
        for (peer, lines, wanted) in [
            ("1.1.1.1", &["9.9.9.9"][..], "1.1.1.1"), // an untrusted peer is the client
            ("10.0.0.1", &[], "10.0.0.1"),            // a trusted one that says nothing
            ("10.0.0.1", &["9.9.9.9"], "9.9.9.9"),    //
            ("::ffff:10.0.0.1", &["9.9.9.9"], "9.9.9.9"), // mapped peer
            ("10.0.0.1", &["6.6.6.6, 9.9.9.9"], "9.9.9.9"), // the left was forged
            ("10.0.0.1", &["6.6.6.6", "9.9.9.9, 10.0.0.2"], "9.9.9.9"), // over lines, past a second proxy
            ("10.0.0.1", &["9.9.9.9:4711"], "9.9.9.9"), //
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"), //
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"), //
            ("10.0.0.1", &["9.9.9.9, unknown"], "10.0.0.1"), // no address: believe the last one known
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"), // all trusted: the furthest
            ("10.0.0.1", &["::ffff:9.9.9.9"], "9.9.9.9"), //
        ] {
            let client = client_address(peer.parse().expect("peer"), &forwarded(lines), &trusted);
            assert_eq!(client, wanted.parse::<IpAddr>().expect("ip"), "{peer} {lines:?}");
        }
    }

    #[test]
    fn hops_are_bounded() {
        let trusted = ["10.0.0.0/8".parse().expect("net")];
        let long = format!("9.9.9.9{}", ",10.0.0.2".repeat(HOPS_MAX));
        let client = client_address("10.0.0.1".parse().expect("ip"), &forwarded(&[&long]), &trusted);
        assert_eq!(client, "10.0.0.2".parse::<IpAddr>().expect("ip"));
    }

    #[test]
    fn tls_is_ours_or_a_trusted_proxys_word() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("net")];
        let proto = |value: &str| -> HeaderMap {
            [(X_FORWARDED_PROTO, value.parse().expect("value"))]
                .into_iter()
                .collect()
        };
        let (proxy, other) = ("10.0.0.1".parse().expect("ip"), "1.1.1.1".parse().expect("ip"));
        assert!(is_secure(true, other, &HeaderMap::new(), &trusted));
        assert!(is_secure(false, proxy, &proto("HTTPS"), &trusted));
        assert!(!is_secure(false, other, &proto("https"), &trusted));
        assert!(!is_secure(false, proxy, &proto("https, http"), &trusted));
        assert!(!is_secure(false, proxy, &HeaderMap::new(), &trusted));
    }
}
