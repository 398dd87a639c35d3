//! `[booking]` and `[search]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::edge::EdgeInFile;
use super::section::Section;
use super::spot::Spot;
use super::values::{address, duration, flag, parsed, whole};
use super::words;
use crate::overrides::{jwks_url, url_of};
use crate::problems::{Wrong, quoted};
use crate::{Booking, Search, defaults, limits};

/// `[booking]` as it stands in the file.
pub(crate) struct BookingInFile {
    pub(crate) booking: Booking,
    pub(crate) listen: Spot<SocketAddr>,
}

/// Reads `[booking]`. `edge` is there when the same file sets up an edge.
pub(crate) fn booking(mut section: Section<'_>, edge: Option<&EdgeInFile>) -> BookingInFile {
    let listen = section.take("listen", defaults::BOOKING_LISTEN, parsed(address));
    let database = section.take("database_url", PathBuf::new(), parsed(sqlite)).value;
    let database = if database.as_os_str().is_empty() {
        sqlite(defaults::DATABASE_URL).unwrap_or_default()
    } else {
        database
    };
    let hold_ttl = section
        .take("hold_ttl", defaults::HOLD_TTL, duration(limits::HOLD_TTL))
        .value;
    let seats = section.take(
        "max_seats_per_fan",
        defaults::MAX_SEATS_PER_FAN,
        whole(limits::SEATS_PER_FAN),
    );
    let require_admission = section.take("require_admission", defaults::REQUIRE_ADMISSION, flag);
    let written = section.take_option("jwks_url", parsed(words::url));
    let jwks_url = match written.value {
        None if require_admission.value && require_admission.is_sound() && written.is_sound() => {
            let guessed = guess_jwks_url(edge);
            if let Err(why) = &guessed {
                let remedy =
                    "write jwks_url = \"http://EDGE:PORT/_tidegate/jwks.json\", or require_admission = false";
                section.problem(Wrong::new(
                    format!("require_admission needs jwks_url, {why}"),
                    remedy,
                ));
            }
            guessed.ok()
        }
        url => url,
    };
    section.finish();
    let booking = Booking {
        listen: listen.value,
        database,
        hold_ttl,
        max_seats_per_fan: seats.value,
        require_admission: require_admission.value,
        jwks_url,
    };
    BookingInFile { booking, listen }
}

/// Where the edge of the same file publishes its keys.
fn guess_jwks_url(edge: Option<&EdgeInFile>) -> Result<String, &'static str> {
    let Some(EdgeInFile { edge, .. }) = edge else {
        return Err("and this file has no edge to take it from");
    };
    match edge.listen.first() {
        _ if edge.tls.is_some() => Err("and it cannot be guessed where the edge speaks TLS"),
        Some(listen) if listen.port() == 0 => {
            Err("and it cannot be guessed where the edge listens on port 0")
        }
        Some(listen) => Ok(jwks_url(*listen, &edge.prefix)),
        // A bad listener was reported already; the default stands in.
        None => Ok(jwks_url(defaults::EDGE_LISTEN, &edge.prefix)),
    }
}

/// A database: `sqlite:` and a path.
fn sqlite(text: &str) -> Result<PathBuf, Wrong> {
    let example = format!("write \"{}\", a path under data_dir", defaults::DATABASE_URL);
    if ["postgres:", "postgresql:"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        return Err(Wrong::new("this build keeps bookings in SQLite only", example));
    }
    let wrong = |what: &str| Err(Wrong::new(format!("{} {what}", quoted(text)), example.clone()));
    let Some(path) = text.strip_prefix("sqlite:") else {
        return wrong("is no database URL");
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.starts_with(":memory:") {
        return wrong("forgets every booking at a restart");
    }
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '#', '\0']) {
        return wrong("is no file");
    }
    Ok(PathBuf::from(path))
}

/// `[search]` as it stands in the file.
pub(crate) struct SearchInFile {
    pub(crate) search: Search,
    pub(crate) listen: Spot<SocketAddr>,
}

/// Reads `[search]`. `booking` is there when the same file sets up the booking service.
pub(crate) fn search(mut section: Section<'_>, booking: Option<&BookingInFile>) -> SearchInFile {
    let listen = section.take("listen", defaults::SEARCH_LISTEN, parsed(address));
    let catalogue_url = match booking {
        Some(booking) => section.take(
            "catalogue_url",
            url_of(booking.listen.value),
            parsed(words::base_url),
        ),
        None => section.need(
            "catalogue_url",
            String::new(),
            "\"http://127.0.0.1:8081\"",
            parsed(words::base_url),
        ),
    };
    let refresh_every = section
        .take(
            "refresh_every",
            defaults::REFRESH_EVERY,
            duration(limits::REFRESH_EVERY),
        )
        .value;
    section.finish();
    SearchInFile {
        search: Search {
            listen: listen.value,
            catalogue_url: catalogue_url.value,
            refresh_every,
        },
        listen,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn databases_are_files_of_sqlite() {
        assert_eq!(
            sqlite("sqlite:booking.db").as_deref(),
            Ok(Path::new("booking.db"))
        );
        assert_eq!(
            sqlite("sqlite:///var/b.db").as_deref(),
            Ok(Path::new("/var/b.db"))
        );
        for text in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a.db?mode=ro",
            "booking.db",
            "mysql://x",
        ] {
            assert!(
                sqlite(text).is_err_and(|wrong| wrong.remedy.contains("sqlite:booking.db")),
                "{text}"
            );
        }
        let postgres = sqlite("postgres://user:hunter2@db/x").expect_err("there is no PostgreSQL yet");
        assert!(postgres.message.contains("SQLite only") && !format!("{postgres:?}").contains("hunter2"));
    }
}
