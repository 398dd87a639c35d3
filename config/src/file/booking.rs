//! `[booking]`, with `[booking.payments]` and `[booking.mail]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::edge::EdgeInFile;
use super::section::Section;
use super::spot::Spot;
use super::values::{address, duration, flag, one_of, parsed, whole};
use super::{store, words};
use crate::overrides::{jwks_url, url_of};
use crate::problems::{Wrong, quoted};
use crate::{Booking, BookingRedis, Database, LoginFor, Mail, Payments, Secret, defaults, limits};

/// `[booking]` as it stands in the file.
pub(crate) struct BookingInFile {
    pub(crate) booking: Booking,
    pub(crate) listen: Spot<SocketAddr>,
}

/// Reads `[booking]`. `edge` is there when the same file sets up an edge.
pub(crate) fn booking(mut section: Section<'_>, edge: Option<&EdgeInFile>, base_dir: &Path) -> BookingInFile {
    let listen = section.take("listen", defaults::BOOKING_LISTEN, parsed(address));
    let database = section.take("database_url", default_database(), parsed(database));
    let hold_ttl = section.take("hold_ttl", defaults::HOLD_TTL, duration(limits::HOLD_TTL));
    let pay_within = section.take("pay_within", defaults::PAY_WITHIN, duration(limits::PAY_WITHIN));
    let seats = section.take(
        "max_seats_per_fan",
        defaults::MAX_SEATS_PER_FAN,
        whole(limits::SEATS_PER_FAN),
    );
    let login_words = [("writing", LoginFor::Writing), ("all", LoginFor::All)];
    let login = section.take("login", defaults::LOGIN, one_of(&login_words));
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
    let public_url = section.take(
        "public_url",
        guess_public_url(edge, listen.value),
        parsed(words::web_url),
    );
    let redis = redis(&mut section, base_dir);
    let payments = section.table("payments").map_or(defaults::PAYMENTS, payments);
    let silent = Mail {
        smtp_url: None,
        from: defaults::MAIL_FROM.to_owned(),
    };
    let mail = section.table("mail").map_or(silent, mail);
    section.finish();
    let booking = Booking {
        listen: listen.value,
        database: database.value,
        hold_ttl: hold_ttl.value,
        pay_within: pay_within.value,
        max_seats_per_fan: seats.value,
        login: login.value,
        require_admission: require_admission.value,
        jwks_url,
        public_url: public_url.value,
        payments,
        mail,
        redis,
    };
    BookingInFile { booking, listen }
}

/// `redis_url` with what belongs to it.
fn redis(section: &mut Section<'_>, base_dir: &Path) -> Option<BookingRedis> {
    let url = section.take_option("redis_url", parsed(store::url)).value;
    let named = ("booking.redis_url", url.as_ref());
    let tls_ca = store::authorities(section, "redis_tls_ca", named, base_dir);
    if section.has("redis_tls_ca") && !section.has("redis_url") {
        let remedy = "write redis_url = \"rediss://HOST\", or leave redis_tls_ca out";
        section.problem(Wrong::new("redis_tls_ca has a use only with redis_url", remedy));
    }
    url.map(|url| BookingRedis { url, tls_ca })
}

fn payments(mut section: Section<'_>) -> Payments {
    let words = [("sandbox", false), ("stripe", true)];
    let is_stripe = section.take("provider", false, one_of(&words)).value;
    let chaos = section.take("chaos", false, flag);
    if !is_stripe {
        section.finish();
        return Payments::Sandbox { chaos: chaos.value };
    }
    if chaos.value {
        let remedy = "leave it out, or write provider = \"sandbox\"";
        section.problem_on(
            chaos.line,
            &chaos.key,
            Wrong::new("has a use only in the sandbox", remedy),
        );
    }
    let api_base = section.take(
        "api_base",
        defaults::STRIPE_API.to_owned(),
        parsed(words::web_url),
    );
    let mut key = |key: &'static str, example: &'static str| {
        section
            .need(key, Secret::new(""), example, parsed(key_of_stripe))
            .value
    };
    let secret_key = key("secret_key", "\"sk_live_...\"");
    let publishable_key = key("publishable_key", "\"pk_live_...\"");
    let webhook_secret = key("webhook_secret", "\"whsec_...\"");
    section.finish();
    Payments::Stripe {
        api_base: api_base.value,
        secret_key,
        publishable_key: publishable_key.expose().to_owned(),
        webhook_secret,
    }
}

fn mail(mut section: Section<'_>) -> Mail {
    let smtp_url = section.take_option("smtp_url", parsed(smtp_url)).value.flatten();
    let from = section.take("from", defaults::MAIL_FROM.to_owned(), parsed(mail_address));
    section.finish();
    Mail {
        smtp_url,
        from: from.value,
    }
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

/// What fans type: the edge of the same file, or the service itself.
fn guess_public_url(edge: Option<&EdgeInFile>, listen: SocketAddr) -> String {
    let Some(EdgeInFile { edge, .. }) = edge else {
        return url_of(listen);
    };
    let url = url_of(edge.listen.first().copied().unwrap_or(defaults::EDGE_LISTEN));
    match edge.tls {
        Some(_) => url.replacen("http://", "https://", 1),
        None => url,
    }
}

fn default_database() -> Database {
    Database::Sqlite(PathBuf::from(defaults::DATABASE_FILE))
}

/// A database's URL. What follows `postgres:` is never shown: there may be a password in it.
fn database(text: &str) -> Result<Database, Wrong> {
    let example = format!(
        "write \"sqlite:{}\", a path under data_dir, or \"postgres://USER:PASSWORD@HOST/DATABASE\"",
        defaults::DATABASE_FILE
    );
    let server = ["postgres:", "postgresql:"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    if let Some(rest) = server {
        let named = rest
            .strip_prefix("//")
            .is_some_and(|rest| rest.contains('/') || rest.contains('?'));
        if !named || !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Wrong::new("names no database of PostgreSQL", example));
        }
        return Ok(Database::Postgres(Secret::new(text)));
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
    Ok(Database::Sqlite(PathBuf::from(path)))
}

fn key_of_stripe(text: &str) -> Result<Secret, Wrong> {
    let fits = (8..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| Secret::new(text)).ok_or_else(|| {
        Wrong::new(
            "is no key",
            "copy it from the provider's dashboard, 8 to 512 characters without spaces",
        )
    })
}

/// An SMTP server's URL, or an empty text for none. Nothing of it is shown.
fn smtp_url(text: &str) -> Result<Option<Secret>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let rest = ["smtp://", "smtps://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.map(|rest| rest.rsplit_once('@').map_or(rest, |(_, host)| host));
    let sound = host.is_some_and(|host| {
        let host = host.split(['/', '?']).next().unwrap_or_default();
        words::authority(host).is_some() || words::host_name(host).is_some()
    });
    if sound && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(Some(Secret::new(text)));
    }
    Err(Wrong::new(
        "is no SMTP URL",
        "write \"smtps://USER:PASSWORD@HOST\" or \"smtp://HOST:PORT\", or leave it out for .eml files",
    ))
}

fn mail_address(text: &str) -> Result<String, Wrong> {
    let sound = text.split_once('@').is_some_and(|(name, host)| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
            && words::host_name(host).is_some()
    });
    sound.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(
            format!("{} is no mail address", quoted(text)),
            format!("write for example \"{}\"", defaults::MAIL_FROM),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn file(text: &str) -> Option<PathBuf> {
        match database(text) {
            Ok(Database::Sqlite(path)) => Some(path),
            _ => None,
        }
    }

    #[test]
    fn databases_are_files_of_sqlite_or_servers_of_postgres() {
        assert_eq!(
            file("sqlite:booking.db").as_deref(),
            Some(Path::new("booking.db"))
        );
        assert_eq!(
            file("sqlite:///var/b.db").as_deref(),
            Some(Path::new("/var/b.db"))
        );
        for text in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a.db?mode=ro",
            "booking.db",
            "mysql://x",
            "postgres:",
            "postgres://db",
        ] {
            assert!(
                database(text).is_err_and(|wrong| wrong.remedy.contains("sqlite:booking.db")),
                "{text}"
            );
        }
        let postgres = database("postgres://user:hunter2@db/x").expect("a server");
        assert!(matches!(&postgres, Database::Postgres(url) if url.expose().ends_with("@db/x")));
        assert!(!format!("{postgres:?}").contains("hunter2"));
        let bad = database("postgres://user:hunter2@db").expect_err("no database is named");
        assert!(!format!("{bad:?}").contains("hunter2"));
    }

    #[test]
    fn mail_goes_by_smtp_or_into_files() {
        assert_eq!(smtp_url(""), Ok(None));
        for text in ["smtp://127.0.0.1:2525", "smtps://u:p%40ss@mail.example.com"] {
            assert!(matches!(smtp_url(text), Ok(Some(_))), "{text}");
        }
        for text in [
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://a b",
        ] {
            assert!(smtp_url(text).is_err(), "{text}");
        }
        assert!(mail_address("tickets@example.com").is_ok());
        for text in [
            "tickets",
            "@example.com",
            "a b@example.com",
            "a@b c",
            "a\n@example.com",
        ] {
            assert!(mail_address(text).is_err(), "{text}");
        }
    }
}
