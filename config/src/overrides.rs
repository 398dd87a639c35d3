//! What flags and variables change about a configuration that was read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::check::listeners;
use crate::file::words;
use crate::problems::{Problem, Problems, Wrong};
use crate::{Config, Edge, Payments, RedisStore, Store, StoreUrl};

/// Values that stand above the file's, from the command line or the environment. What is `None` changes nothing, and
/// what belongs to a section that the configuration lacks is not applied.
///
/// `Debug` shows no token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The public listener, in place of all of `edge.listen`.
    pub listen: Option<SocketAddr>,
    /// `edge.admin_listen`.
    pub admin_listen: Option<SocketAddr>,
    /// `edge.admin_token`.
    pub admin_token: Option<String>,
    /// `edge.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `store.url`. The rest of `[store]` stays as the file has it.
    pub store_url: Option<StoreUrl>,
    /// `booking.listen`. What led to the old address (an upstream's server, `search.catalogue_url`, `users.jwks_url`)
    /// follows.
    pub booking_listen: Option<SocketAddr>,
    /// `search.listen`. An upstream's server that led to the old address follows.
    pub search_listen: Option<SocketAddr>,
    /// `booking.payments.chaos`, where the sandbox takes the money.
    pub chaos: bool,
}

impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides")
            .field("listen", &self.listen)
            .field("admin_listen", &self.admin_listen)
            .field("admin_token", &self.admin_token.as_ref().map(|_| "..."))
            .field("data_dir", &self.data_dir)
            .field("store_url", &self.store_url)
            .field("booking_listen", &self.booking_listen)
            .field("search_listen", &self.search_listen)
            .field("chaos", &self.chaos)
            .finish()
    }
}

impl Overrides {
    /// What the environment says: `TIDEGATE_LISTEN`, `TIDEGATE_ADMIN_LISTEN`, `TIDEGATE_ADMIN_TOKEN`,
    /// `TIDEGATE_DATA_DIR`, `TIDEGATE_STORE_URL`, `TIDEGATE_BOOKING_LISTEN` and `TIDEGATE_SEARCH_LISTEN`. An empty
    /// variable says nothing.
    ///
    /// # Errors
    /// Every variable that is wrong.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut list = Vec::new();
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut address =
            |name: &str| keep(name, variable(name).map(|v| crate::file::address(&v)), &mut list);
        let overrides = Self {
            listen: address("TIDEGATE_LISTEN"),
            admin_listen: address("TIDEGATE_ADMIN_LISTEN"),
            booking_listen: address("TIDEGATE_BOOKING_LISTEN"),
            search_listen: address("TIDEGATE_SEARCH_LISTEN"),
            chaos: false,
            admin_token: {
                let name = "TIDEGATE_ADMIN_TOKEN";
                keep(
                    name,
                    variable(name).map(|value| words::admin_token(&value)),
                    &mut list,
                )
            },
            data_dir: variable("TIDEGATE_DATA_DIR").map(PathBuf::from),
            store_url: {
                let name = "TIDEGATE_STORE_URL";
                keep(
                    name,
                    variable(name).map(|url| crate::file::store_url(&url)),
                    &mut list,
                )
            },
        };
        if list.is_empty() {
            Ok(overrides)
        } else {
            Err(Problems {
                source: "environment".to_owned(),
                list,
            })
        }
    }

    /// These values, and where they say nothing those of `other`: `flags.or(environment)`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            admin_listen: self.admin_listen.or(other.admin_listen),
            admin_token: self.admin_token.or(other.admin_token),
            data_dir: self.data_dir.or(other.data_dir),
            store_url: self.store_url.or(other.store_url),
            booking_listen: self.booking_listen.or(other.booking_listen),
            search_listen: self.search_listen.or(other.search_listen),
            chaos: self.chaos || other.chaos,
        }
    }
}

fn keep<T>(name: &str, value: Option<Result<T, Wrong>>, list: &mut Vec<Problem>) -> Option<T> {
    match value? {
        Ok(value) => Some(value),
        Err(Wrong { message, remedy }) => {
            list.push(Problem {
                line: None,
                key: name.to_owned(),
                message,
                remedy,
            });
            None
        }
    }
}

impl Config {
    /// This configuration with `overrides` on top. Addresses inside it that led to a listener which moved follow it:
    /// servers of upstreams, the catalogue's URL and those of the edge's and the users' public keys.
    ///
    /// # Errors
    /// Two listeners want the same address now, or chaos is wanted of a real payment provider.
    pub fn with(mut self, overrides: Overrides) -> Result<Self, Problems> {
        if let Some(listen) = overrides.listen {
            let before = std::mem::replace(&mut self.edge.listen, vec![listen]);
            self.edge_moved(&before, listen);
        }
        let Edge {
            admin_listen,
            admin_token,
            data_dir,
            ..
        } = &mut self.edge;
        *admin_listen = overrides.admin_listen.unwrap_or(*admin_listen);
        *admin_token = overrides.admin_token.or(admin_token.take());
        if let Some(folder) = overrides.data_dir {
            *data_dir = folder;
        }
        if let Some(url) = overrides.store_url {
            self.store = match self.store {
                Store::Redis(store) => Store::Redis(RedisStore { url, ..store }),
                Store::Embedded => Store::Redis(RedisStore {
                    max_replica_lag: url.usual_lag(),
                    url,
                    tls_ca: None,
                }),
            };
        }
        if let (true, Some(booking)) = (overrides.chaos, &mut self.booking) {
            let Payments::Sandbox { chaos } = &mut booking.payments else {
                let remedy = "leave --chaos out, or write provider = \"sandbox\" under [booking.payments]";
                return Err(Problems {
                    source: "command line".to_owned(),
                    list: vec![Problem {
                        line: None,
                        key: "--chaos".to_owned(),
                        message: "has a use only in the sandbox, and a provider is configured".to_owned(),
                        remedy: remedy.to_owned(),
                    }],
                });
            };
            *chaos = true;
        }
        // Both are looked up before either is written, so that two listeners may swap their ports.
        let booking = self.booking.as_mut().zip(overrides.booking_listen);
        let booking = booking.map(|(booking, to)| (std::mem::replace(&mut booking.listen, to), to));
        let search = self.search.as_mut().zip(overrides.search_listen);
        let search = search.map(|(search, to)| (std::mem::replace(&mut search.listen, to), to));
        for server in self
            .upstreams
            .iter_mut()
            .flat_map(|upstream| &mut upstream.servers)
        {
            if let Some((_, to)) = [booking, search]
                .into_iter()
                .flatten()
                .find(|(from, _)| listeners::reaches(server, *from))
            {
                *server = reachable(to).to_string();
            }
        }
        if let Some((from, to)) = booking {
            let catalogue = self.search.iter_mut().map(|search| &mut search.catalogue_url);
            let keys = self.users.iter_mut().map(|users| &mut users.jwks_url);
            for url in catalogue.chain(keys) {
                follow(url, from, to);
            }
        }
        let list = listeners::clashes(&self);
        if list.is_empty() {
            Ok(self)
        } else {
            Err(Problems {
                source: "command line".to_owned(),
                list,
            })
        }
    }

    fn edge_moved(&mut self, before: &[SocketAddr], to: SocketAddr) {
        let Some(booking) = &mut self.booking else {
            return;
        };
        for url in booking.jwks_url.iter_mut().chain([&mut booking.public_url]) {
            // One of them is the address that it led to, at most.
            let _ = before.iter().any(|from| follow(url, *from, to));
        }
    }
}

/// Makes a URL follow a listener it led to. Whether it did.
fn follow(url: &mut String, from: SocketAddr, to: SocketAddr) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    if !listeners::reaches(authority, from) {
        return false;
    }
    *url = format!("{}{path}", url_of(to));
    true
}

/// The base URL under which this machine reaches one of its listeners.
pub(crate) fn url_of(listen: SocketAddr) -> String {
    format!("http://{}", reachable(listen))
}

/// Where an edge publishes its public keys.
pub(crate) fn jwks_url(listen: SocketAddr, prefix: &str) -> String {
    format!("{}{prefix}jwks.json", url_of(listen))
}

/// The address under which this machine reaches one of its listeners.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn up() -> Config {
        crate::parse(crate::examples::UP, "up", Path::new(".")).expect("the example is sound")
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn nothing_changes_nothing() {
        assert_eq!(up().with(Overrides::default()), Ok(up()));
    }

    #[test]
    fn what_led_to_a_listener_follows_it() {
        let config = up()
            .with(Overrides {
                listen: Some("0.0.0.0:7000".parse().expect("an address")),
                admin_listen: Some(at(7001)),
                booking_listen: Some(at(8082)),
                search_listen: Some(at(8081)),
                chaos: true,
                data_dir: Some("elsewhere".into()),
                store_url: None,
                admin_token: Some("0123456789abcdef".to_owned()),
            })
            .expect("no two clash");
        let servers: Vec<_> = config
            .upstreams
            .iter()
            .map(|up| (up.name.as_str(), up.servers[0].as_str()))
            .collect();
        assert_eq!(
            servers,
            [("booking", "127.0.0.1:8082"), ("search", "127.0.0.1:8081")]
        );
        let (booking, search) = (config.booking.expect("booking"), config.search.expect("search"));
        assert_eq!(
            booking.jwks_url.as_deref(),
            Some("http://127.0.0.1:7000/_tidegate/jwks.json")
        );
        assert_eq!(search.catalogue_url, "http://127.0.0.1:8082");
        let users = config.users.expect("users");
        assert_eq!(users.jwks_url, "http://127.0.0.1:8082/jwks.json");
        assert_eq!(booking.payments, Payments::Sandbox { chaos: true });
        assert_eq!(booking.public_url, "http://127.0.0.1:7000");
        assert_eq!(
            (booking.listen, search.listen, config.edge.admin_listen),
            (at(8082), at(8081), at(7001))
        );
        assert_eq!(config.edge.data_dir, Path::new("elsewhere"));
    }

    #[test]
    fn a_listener_moved_onto_another_is_said() {
        let moved = up().with(Overrides {
            listen: Some(at(9090)),
            ..Overrides::default()
        });
        let problems = moved.expect_err("the admin listener is there");
        assert_eq!(problems.list.len(), 1, "{problems}");
        assert!(
            problems
                .to_string()
                .contains("127.0.0.1:9090 is taken by edge.listen[0]"),
            "{problems}"
        );
    }

    #[test]
    fn a_store_url_stands_above_the_file_and_leaves_the_rest_of_its_section() {
        let moved = |config: Config| {
            let url = "redis://:hunter2@elsewhere".parse().expect("a URL");
            let overrides = Overrides {
                store_url: Some(url),
                ..Overrides::default()
            };
            assert!(!format!("{overrides:?}").contains("hunter2"));
            match config.with(overrides).expect("it is sound").store {
                Store::Redis(store) => (store.url.to_string(), store.max_replica_lag.as_secs()),
                Store::Embedded => panic!("it stayed embedded"),
            }
        };
        assert_eq!(moved(up()), ("redis://:...@elsewhere:6379".to_owned(), 1));
        let text = format!(
            "[store]\nurl = \"redis://here\"\nmax_replica_lag = \"2s\"\n{}",
            crate::examples::UP
        );
        let config =
            crate::parse(&text, "up", Path::new(".")).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(moved(config), ("redis://:...@elsewhere:6379".to_owned(), 2));
    }

    #[test]
    fn the_environment_is_read_whole_and_tokens_are_not_shown() {
        let variable = |name: &str| match name {
            "TIDEGATE_LISTEN" => Some("localhost:80".to_owned()),
            "TIDEGATE_ADMIN_TOKEN" => Some("hunter2".to_owned()),
            "TIDEGATE_DATA_DIR" => Some(String::new()),
            "TIDEGATE_STORE_URL" => Some("redis://hunter2@h".to_owned()),
            _ => None,
        };
        let problems = Overrides::from_env(variable).expect_err("three are wrong");
        let keys: Vec<_> = problems.list.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            ["TIDEGATE_LISTEN", "TIDEGATE_ADMIN_TOKEN", "TIDEGATE_STORE_URL"]
        );
        assert!(!problems.to_string().contains("hunter2"));

        let token = "0123456789abcdef";
        let variable = |name: &str| (name == "TIDEGATE_ADMIN_TOKEN").then(|| token.to_owned());
        let environment = Overrides::from_env(variable).expect("it is sound");
        assert_eq!(environment.admin_token.as_deref(), Some(token));
        assert!(!format!("{environment:?}").contains(token));
        let flags = Overrides {
            listen: Some(at(1)),
            ..Overrides::default()
        };
        assert_eq!(flags.or(environment).admin_token.as_deref(), Some(token));
    }
}
