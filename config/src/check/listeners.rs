//! Listeners: no two want the same address, and no upstream is the edge itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Config;
use crate::file::{InFile, Report, Spot, words};
use crate::problems::{Problem, Wrong, quoted};

/// No two listeners of the file want the same address.
pub(crate) fn distinct(file: &InFile, report: &Report) {
    let mut listeners: Vec<&Spot<SocketAddr>> = Vec::new();
    if file.has_edge {
        listeners.extend(&file.edge.listen);
        listeners.push(&file.edge.admin_listen);
    }
    listeners.extend(file.booking.as_ref().map(|booking| &booking.listen));
    listeners.extend(file.search.as_ref().map(|search| &search.listen));
    listeners.retain(|listener| listener.is_sound());
    for (index, listener) in listeners.iter().enumerate() {
        if let Some(other) = listeners[..index]
            .iter()
            .find(|other| clash(other.value, listener.value))
        {
            // Where one of the two is a default, the other is the one that can be put right.
            let (at, other) = if listener.is_written() {
                (listener, other)
            } else {
                (other, listener)
            };
            report.add_missing(at.line, &at.key, taken(at.value, &other.key, other.value));
        }
    }
}

/// No two listeners of a configuration want the same address; for what was changed after the file was read.
pub(crate) fn clashes(config: &Config) -> Vec<Problem> {
    let mut listeners: Vec<(String, SocketAddr)> = Vec::new();
    if !config.routes.is_empty() {
        let public = config.edge.listen.iter().enumerate();
        listeners.extend(public.map(|(index, listen)| (format!("edge.listen[{index}]"), *listen)));
        listeners.push(("edge.admin_listen".to_owned(), config.edge.admin_listen));
    }
    listeners.extend(
        config
            .booking
            .as_ref()
            .map(|booking| ("booking.listen".to_owned(), booking.listen)),
    );
    listeners.extend(
        config
            .search
            .as_ref()
            .map(|search| ("search.listen".to_owned(), search.listen)),
    );
    let mut problems = Vec::new();
    for (index, (key, listen)) in listeners.iter().enumerate() {
        if let Some((other_key, other)) = listeners[..index]
            .iter()
            .find(|(_, other)| clash(*other, *listen))
        {
            let Wrong { message, remedy } = taken(*listen, other_key, *other);
            problems.push(Problem {
                line: None,
                key: key.clone(),
                message,
                remedy,
            });
        }
    }
    problems
}

fn taken(listen: SocketAddr, other_key: &str, other: SocketAddr) -> Wrong {
    let same = if listen == other {
        String::new()
    } else {
        format!(" ({other})")
    };
    Wrong::new(
        format!("{listen} is taken by {other_key}{same}"),
        "write another port for one of the two",
    )
}

/// Whether two listeners cannot both be bound. Port 0 is whatever is free.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let all = |ip: IpAddr, other: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_unspecified() && (other.is_ipv4() || other.is_unspecified()),
        // The IPv6 wildcard takes IPv4 as well unless the system is told otherwise.
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || all(a.ip(), b.ip()) || all(b.ip(), a.ip()))
}

/// No upstream is one of the edge's own listeners: a request would go round until it times out.
pub(crate) fn no_loop(file: &InFile, report: &Report) {
    for server in file.upstreams.iter().flat_map(|upstream| &upstream.servers) {
        if let Some(own) = file
            .edge
            .listen
            .iter()
            .find(|own| own.is_sound() && reaches(&server.value, own.value))
        {
            let message = format!(
                "{} is this edge's own listener {}",
                quoted(&server.value),
                own.key
            );
            let remedy = "write the address of the site that stands behind the edge";
            report.add_missing(server.line, &server.key, Wrong::new(message, remedy));
        }
    }
}

/// Whether `host:port` surely leads to a listener of this machine.
pub(crate) fn reaches(authority: &str, listener: SocketAddr) -> bool {
    let Some((host, port)) = words::authority(authority) else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match bare.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) if bare == "localhost" && listener.is_ipv6() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        Err(_) if bare == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Err(_) => return false,
    };
    let everywhere = listener.ip().is_unspecified() && (ip.is_loopback() || ip.is_unspecified());
    port == listener.port() && port != 0 && (ip == listener.ip() || everywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn wildcards_clash_with_what_they_cover() {
        for (a, b) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "10.0.0.1:80"),
        ] {
            assert!(clash(at(a), at(b)) && clash(at(b), at(a)), "{a} {b}");
        }
        for (a, b) in [
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "[::1]:80"),
        ] {
            assert!(!clash(at(a), at(b)) && !clash(at(b), at(a)), "{a} {b}");
        }
    }

    #[test]
    fn a_name_of_this_machine_reaches_its_listeners() {
        for (to, listener) in [
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:80", "[::]:80"),
        ] {
            assert!(reaches(to, at(listener)), "{to} {listener}");
        }
        for (to, listener) in [
            ("127.0.0.1:81", "127.0.0.1:80"),
            ("10.0.0.1:80", "0.0.0.0:80"),
            ("shop:80", "127.0.0.1:80"),
        ] {
            assert!(!reaches(to, at(listener)), "{to} {listener}");
        }
    }
}
