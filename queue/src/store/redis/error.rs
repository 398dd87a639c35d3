//! What a Redis deployment may answer other than what was asked for, sorted by what to do about it.

use std::path::PathBuf;

use redis::{ErrorKind, RedisError};
use tidegate_redis::OpenError;

/// Why one exchange with the deployment gave nothing. Every one may be tried again later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No connection, or no answer in time: whether the command ran is not known.
    #[error("the store is out of reach: {0}")]
    Unreachable(String),
    /// The server is there, took nothing and says why. Somebody has to change something.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// What was run failed: an error that a script raised or returned, or a command that cannot be run on that key.
    #[error("the store answers {code} {text}{}", remedy_of(code, text))]
    Script {
        /// The first word of the error (`ERR`, `WRONGTYPE`, or a script's own).
        code: String,
        /// The rest.
        text: String,
    },
    /// An answer of another shape than expected.
    #[error("the store gives an answer that cannot be read: {0}")]
    Answer(String),
}

/// What to do about a command that failed, where that is known.
fn remedy_of(code: &str, text: &str) -> &'static str {
    match code {
        // The second is a line that cannot be unpacked.
        _ if code == "WRONGTYPE" || text.contains("Bad data format") => {
            ": somebody else's keys are in the way. Look at the keys that begin with `tidegate:` (SCAN 0 MATCH tidegate:*, \
             and TYPE), and remove what is not Tidegate's, or name another database or server in store.url"
        }
        _ => "",
    }
}

/// Why an edge does not start on this store.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of certificate authorities cannot be used.
    #[error("store.tls_ca: {} cannot be used: {reason}", path.display())]
    TlsCa {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No exchange with it.
    #[error("{url}: {source}")]
    Link {
        /// The URL, without its password.
        url: String,
        /// What went wrong.
        source: LinkError,
    },
    /// What stands in its way, one line each.
    #[error("{url} cannot hold a line\n{}", reasons.join("\n"))]
    Unfit {
        /// The URL, without its password.
        url: String,
        /// Each with its remedy.
        reasons: Vec<String>,
    },
    /// The other edges on this store sign with other keys.
    #[error(
        "this edge's keys ({own}) are none of those ({others}) of the edges that use this store: fans would lose their \
         places when they move between edges. Run `tidegate keys share` on an edge that is in use, and give what it \
         prints to `tidegate keys adopt` here"
    )]
    OtherKeys {
        /// Ids of this edge's keys.
        own: String,
        /// Ids of some of the others'.
        others: String,
    },
}

/// What an error says about the connection it came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is sound.
    Sound,
    /// Nothing came back in time. Later answers still match their questions.
    Silent,
    /// It leads to a server that is not, or no longer, the one to ask.
    Astray,
    /// It is broken.
    Broken,
}

/// Says why there is no connection, and what to do about it. `tls` is how the servers are spoken to.
pub(super) fn sort_open(error: &OpenError, tls: bool) -> LinkError {
    match error {
        OpenError::At { node, source } => {
            // A server that is spoken to the wrong way waits for more, or hangs up.
            let hint = match tls {
                true if source.is_timeout() => {
                    "; if it speaks no TLS on this port, begin store.url with redis, not rediss"
                }
                false if source.is_io_error() && !source.is_timeout() && !source.is_connection_refusal() => {
                    "; if it speaks only TLS on this port, begin store.url with rediss"
                }
                _ => "",
            };
            match sort(source).0 {
                LinkError::Unreachable(why) => LinkError::Unreachable(format!("{node}: {why}{hint}")),
                LinkError::Refused(why) => LinkError::Refused(format!("{node}: {why}")),
                other => other,
            }
        }
        OpenError::Cluster(source) if source.to_string().contains("cluster support disabled") => refused(
            "this server is no node of a cluster",
            "begin store.url with redis instead of redis-cluster",
        ),
        OpenError::Cluster(source) if source.to_string().contains("No connections found") => {
            LinkError::Unreachable(
                "no node of the cluster serves any slot: see that those in store.url run, and that CLUSTER INFO says \
                 cluster_state:ok"
                    .to_owned(),
            )
        }
        OpenError::Cluster(source) => sort(source).0,
        OpenError::UnknownPrimary { sentinel } => refused(
            &format!("the sentinel {sentinel} knows no primary by the name of store.url"),
            "write the one from \"sentinel monitor\" of its configuration",
        ),
        OpenError::NotPrimary { .. } | OpenError::Nobody | OpenError::Late => {
            LinkError::Unreachable(error.to_string())
        }
    }
}

/// Sorts an error of the library.
pub(super) fn sort(error: &RedisError) -> (LinkError, Fate) {
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => (
            LinkError::Unreachable("no answer in time".to_owned()),
            Fate::Silent,
        ),
        ErrorKind::Io => (unreachable(error), Fate::Broken),
        ErrorKind::AuthenticationFailed => (
            refused(
                "it does not take this login",
                "check user and password in store.url",
            ),
            Fate::Broken,
        ),
        ErrorKind::Server(_) | ErrorKind::Extension => {
            sort_answer(error.code().unwrap_or("ERR"), error.detail().unwrap_or_default())
        }
        ErrorKind::UnexpectedReturnType => (LinkError::Answer(error.to_string()), Fate::Sound),
        _ => (unreachable(error), Fate::Broken),
    }
}

fn unreachable(error: &RedisError) -> LinkError {
    let text = error.to_string();
    let remedy = if text.contains("certificate") {
        ": name the authority that signed the server's certificate in store.tls_ca, and the server by a name that \
         stands in it"
    } else {
        ""
    };
    LinkError::Unreachable(format!("{text}{remedy}"))
}

fn refused(what: &str, remedy: &str) -> LinkError {
    LinkError::Refused(format!("{what}: {remedy}"))
}

/// Sorts an error that the server answered. `code` is its first word.
fn sort_answer(code: &str, text: &str) -> (LinkError, Fate) {
    let unreachable = || LinkError::Unreachable(format!("{code} {text}"));
    let refused = |remedy: &str| LinkError::Refused(format!("{code} {text}: {remedy}"));
    match code {
        "NOAUTH" => (
            refused("write user:password@ or :password@ before the host in store.url"),
            Fate::Broken,
        ),
        "WRONGPASS" => (refused("check user and password in store.url"), Fate::Broken),
        "NOPERM" => (
            refused("give the user of store.url this right with ACL SETUSER"),
            Fate::Sound,
        ),
        "READONLY" => (
            refused("this server is a replica; name its primary in store.url, or the sentinels that know it"),
            Fate::Astray,
        ),
        "NOREPLICAS" => (
            refused("too few replicas follow this server (min-replicas-to-write); start them"),
            Fate::Astray,
        ),
        "OOM" => (
            refused("the server's memory is full; raise maxmemory or remove other keys"),
            Fate::Sound,
        ),
        "MISCONF" => (
            refused("the server cannot write to its disk; make room there"),
            Fate::Sound,
        ),
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" => (unreachable(), Fate::Astray),
        "ASK" | "TRYAGAIN" | "BUSY" => (unreachable(), Fate::Sound),
        "ERR" if text.contains("max number of clients") => (unreachable(), Fate::Broken),
        "ERR" if text.contains("DB index is out of range") => (
            refused(
                "name a database that the server has at the end of store.url, or raise its databases setting",
            ),
            Fate::Broken,
        ),
        // What the user of a script may not do: 7.0 says the one, later versions the other.
        "ERR" if text.contains("The user executing the script") || text.contains("ACL failure in script") => {
            (
                refused("give the user of store.url this right with ACL SETUSER"),
                Fate::Sound,
            )
        }
        _ => {
            let (code, text) = (code.to_owned(), text.to_owned());
            (LinkError::Script { code, text }, Fate::Sound)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(answer: &str) -> (LinkError, Fate) {
        let (code, text) = answer.split_once(' ').unwrap_or((answer, ""));
        sort_answer(code, text)
    }

    #[test]
    fn answers_are_sorted_by_what_to_do_about_them() {
        let (error, fate) = sorted("NOPERM this user has no permissions to run the 'evalsha' command");
        assert!(
            matches!(&error, LinkError::Refused(why) if why.contains("evalsha") && why.contains("ACL SETUSER"))
        );
        assert_eq!(fate, Fate::Sound);
        let (error, fate) = sorted("READONLY You can't write against a read only replica.");
        assert!(matches!(&error, LinkError::Refused(why) if why.contains("sentinels")));
        assert_eq!(fate, Fate::Astray);
        for answer in [
            "LOADING Redis is loading",
            "CLUSTERDOWN Hash slot not served",
            "MOVED 1 h:1",
        ] {
            assert!(
                matches!(sorted(answer), (LinkError::Unreachable(_), Fate::Astray)),
                "{answer}"
            );
        }
        let (error, fate) = sorted("ERR user_script:1: attempt to index a nil value");
        assert!(matches!(&error, LinkError::Script { code, .. } if code == "ERR"));
        assert_eq!(fate, Fate::Sound);
        assert!(
            matches!(sorted("STALE seq 3"), (LinkError::Script { code, text }, _) if code == "STALE" && text == "seq 3")
        );
    }

    #[test]
    fn the_library_s_errors_are_sorted_too() {
        let timeout = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(sort(&timeout).1, Fate::Silent);
        let reset = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert_eq!(sort(&reset).1, Fate::Broken);
        let login = RedisError::from((ErrorKind::AuthenticationFailed, "Password authentication failed"));
        assert!(matches!(sort(&login), (LinkError::Refused(why), Fate::Broken) if why.contains("store.url")));
    }
}
