//! The configurations that come with the binary.

/// What `tidegate up` runs when no file is given: a room before the sample shop, all on loopback.
pub const UP: &str = include_str!("../examples/tidegate.toml");

/// Only the proxy, before a site that already exists.
pub const PROXY: &str = include_str!("../examples/proxy.toml");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Auth, Guard, Mode, Problems, parse};

    #[test]
    fn what_up_runs_is_a_room_before_booking_and_search() -> Result<(), Problems> {
        let config = parse(UP, "examples/tidegate.toml", Path::new("."))?;
        assert_eq!(config.rooms.len(), 1);
        assert_eq!(
            (config.rooms[0].id.as_str(), config.rooms[0].mode),
            ("drop", Mode::Auto)
        );
        let booking = config.booking.expect("up runs booking");
        let search = config.search.expect("up runs search");
        assert!(booking.require_admission);
        assert_eq!(
            booking.jwks_url.as_deref(),
            Some("http://127.0.0.1:8080/_tidegate/jwks.json")
        );
        assert_eq!(search.catalogue_url, "http://127.0.0.1:8081");
        let users = config.users.expect("up knows who is logged in");
        assert_eq!(users.jwks_url, "http://127.0.0.1:8081/jwks.json");
        for (path, auth) in [
            ("/assets/**", Auth::None),
            ("/signup", Auth::None),
            ("/login", Auth::None),
            ("/account/**", Auth::User),
            ("/orders/**", Auth::User),
            ("/tickets/**", Auth::User),
            ("/pay/**", Auth::None),
            ("/payments/webhook", Auth::None),
            ("/checkin/**", Auth::None),
            ("/health", Auth::None),
        ] {
            let route = config.routes.iter().find(|route| route.path == path);
            let found = route.map(|route| (&route.guard, route.auth));
            assert_eq!(found, Some((&Guard::Free, auth)), "{path}");
        }
        let last = config.routes.last().expect("up has routes");
        assert_eq!(
            (last.path.as_str(), &last.guard),
            ("/**", &Guard::Room(config.rooms[0].id.clone()))
        );
        Ok(())
    }

    /// A rehearsal and a load script come from a few loopback addresses; nothing of what ships may turn them away.
    #[test]
    fn what_up_runs_carries_a_rehearsal_from_one_machine() -> Result<(), Problems> {
        let edge = parse(UP, "examples/tidegate.toml", Path::new("."))?.edge;
        assert!(edge.sockets_max >= 15_000);
        assert!(edge.sockets_per_address_max >= 15_000);
        assert!(edge.joins_per_address_per_min >= 60 * 2_000);
        const { assert!(crate::defaults::SOCKETS_PER_ADDRESS_MAX >= 15_000 / 4) }
        Ok(())
    }

    #[test]
    fn the_proxy_example_runs_nothing_but_the_edge() -> Result<(), Problems> {
        let config = parse(PROXY, "examples/proxy.toml", Path::new("."))?;
        assert!(config.booking.is_none() && config.search.is_none());
        assert!(!config.routes.is_empty());
        Ok(())
    }
}
