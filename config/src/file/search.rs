//! `[search]`.

use std::net::SocketAddr;

use super::booking::BookingInFile;
use super::section::Section;
use super::spot::Spot;
use super::values::{address, duration, parsed};
use super::words;
use crate::overrides::url_of;
use crate::problems::Wrong;
use crate::{LoginFor, Search, defaults, limits};

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
    if let Some(booking) = booking
        && booking.booking.login == LoginFor::All
        && catalogue_url.value == url_of(booking.listen.value)
    {
        let message = "reads the catalogue as anybody may, and shows it to everyone; [booking] with login = \"all\" lets \
                       nobody read without a login";
        let remedy = "write login = \"writing\" in [booking], or leave [search] out";
        section.problem(Wrong::new(message, remedy));
    }
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
