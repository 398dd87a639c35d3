//! Whether the addresses of a file exist. The only part that asks the machine, and only where it is told to.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};

use crate::file::{InFile, Report, Spot};
use crate::problems::{Wrong, quoted};

/// What can be asked about addresses.
pub(crate) trait Addresses {
    /// Why `host:port` has no address, if it has none.
    fn unresolved(&self, server: &str) -> Option<String>;
    /// Whether this machine can listen on an address.
    fn is_local(&self, ip: IpAddr) -> bool;
}

/// The machine's own name service and interfaces.
pub(crate) struct System;

impl Addresses for System {
    fn unresolved(&self, server: &str) -> Option<String> {
        match server.to_socket_addrs() {
            Ok(mut found) => found.next().is_none().then(|| "no address".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Binds a port that the system chooses and lets go of it at once; the port of the file is left alone.
    fn is_local(&self, ip: IpAddr) -> bool {
        match TcpListener::bind((ip, 0)) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::AddrNotAvailable,
        }
    }
}

/// Every server of every upstream has an address, and every listener's address is one of this machine's.
pub(crate) fn addresses(file: &InFile, addresses: &dyn Addresses, report: &Report) {
    for server in file.upstreams.iter().flat_map(|upstream| &upstream.servers) {
        if let Some(why) = addresses.unresolved(&server.value) {
            let message = format!("{} is not found: {why}", quoted(&server.value));
            report.add(
                server.line,
                &server.key,
                Wrong::new(message, "write a name that resolves, or an IP address"),
            );
        }
    }
    let mut listeners: Vec<&Spot<SocketAddr>> = file.edge.listen.iter().collect();
    listeners.push(&file.edge.admin_listen);
    listeners.extend(file.booking.as_ref().map(|booking| &booking.listen));
    listeners.extend(file.search.as_ref().map(|search| &search.listen));
    for listener in listeners.into_iter().filter(|listener| listener.is_written()) {
        if !addresses.is_local(listener.value.ip()) {
            let message = format!("{} is no address of this machine", listener.value.ip());
            let remedy = format!(
                "write one that is, or \"0.0.0.0:{}\" for all of them",
                listener.value.port()
            );
            report.add(listener.line, &listener.key, Wrong::new(message, remedy));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::Outside;

    struct Known;

    impl Addresses for Known {
        fn unresolved(&self, server: &str) -> Option<String> {
            (server != "shop:80").then(|| "unknown name".to_owned())
        }
        fn is_local(&self, ip: IpAddr) -> bool {
            ip.is_loopback()
        }
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let text = "[edge]\nlisten = ['192.0.2.1:80']\n[[upstream]]\nname = 'a'\nservers = ['shop:80', 'shpo:80']\n\
                    [[route]]\npath = '/**'\nupstream = 'a'\nfree = true\n";
        let outside = Outside {
            addresses: &Known,
            pages: &|_| Vec::new(),
        };
        let problems =
            crate::file::read(text, "test", Path::new("."), Some(&outside)).expect_err("two do not exist");
        let found: Vec<_> = problems.list.iter().map(|p| (p.line, p.key.as_str())).collect();
        assert_eq!(
            found,
            [(Some(2), "edge.listen[0]"), (Some(5), "upstream[0].servers[1]")],
            "{problems}"
        );
        assert!(
            crate::parse(text, "test", Path::new(".")).is_ok(),
            "an edge starts without a name service"
        );
    }

    #[test]
    fn this_machine_has_a_loopback_and_no_documentation_address() {
        assert!(System.is_local(IpAddr::from([127, 0, 0, 1])));
        assert!(!System.is_local(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(System.unresolved("127.0.0.1:80"), None);
    }
}
